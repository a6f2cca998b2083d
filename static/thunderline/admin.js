// Select2 makes fields of its own in place of a form's, without names: they are called as the form's field is.
const FIELDS = "[role=textbox], [role=combobox], .select2-search__field"

function name() {
    for (const select of document.querySelectorAll("select.select2-hidden-accessible")) {
        const called = select.labels[0]?.textContent.trim() || select.name
        for (const field of select.nextElementSibling?.querySelectorAll(FIELDS) ?? []) {
            if (field.ariaLabel !== called) field.ariaLabel = called
        }
    }
    for (const field of document.querySelectorAll(".select2-dropdown .select2-search__field")) {
        if (!field.ariaLabel) field.ariaLabel = "Search"
    }
    // Django's marks beside boxes have a name, which only an image may have.
    for (const mark of document.querySelectorAll("span[aria-label]:not([role])")) mark.role = "img"
}

addEventListener("load", () => {
    name()
    new MutationObserver(name).observe(document.body, {childList: true, subtree: true})
})
