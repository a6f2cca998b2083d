// Puts what the pages use from npm into static/lib, one file a library. The packages bring files for browsers, each of
// which adds to a global (`d3`, `Phoenix`, `uPlot`); so they are only put behind one another, those that others build on
// first. A package that does not say which of its files is for browsers is named with that file.

import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const HERE = dirname(fileURLToPath(import.meta.url));
const LIBRARIES = {
  "d3.js": ["d3-force", "d3-zoom"],
  "phoenix.js": ["phoenix"],
  "uplot.js": ["uplot/dist/uPlot.iife.min.js"],
  "uplot.css": ["uplot/dist/uPlot.min.css"],
};

const packaged = (path) => readFileSync(join(HERE, "node_modules", path), "utf8");
const described = (name) => JSON.parse(packaged(`${name}/package.json`));

function inOrder(names, found = []) {
  for (const name of names) {
    if (found.includes(name)) continue;
    const [of] = name.split("/");
    inOrder(Object.keys(described(of).dependencies ?? {}).sort(), found);
    if (!found.includes(name)) found.push(name);
  }
  return found;
}

const text = (name) => packaged(name.includes("/") ? name : join(name, described(name).jsdelivr)).trim();

const target = join(HERE, "..", "static", "lib");
mkdirSync(target, { recursive: true });
for (const [file, names] of Object.entries(LIBRARIES)) {
  const path = join(target, file);
  // Whole or not at all: a page may be served meanwhile.
  writeFileSync(`${path}.new`, `${inOrder(names).map(text).join("\n")}\n`);
  renameSync(`${path}.new`, path);
}
