// The page of the REST interface: Swagger UI over the document of this server, in the name of who is signed in.
"use strict";

const place = document.getElementById("docs");

SwaggerUIBundle({
    url: place.dataset.schema,
    domNode: place,
    presets: [SwaggerUIBundle.presets.apis],
    deepLinking: true,
    docExpansion: "list",
    filter: true,
    tryItOutEnabled: true,
    requestInterceptor(request) {
        if (new URL(request.url, location.href).origin === location.origin) {
            request.headers["X-CSRFToken"] = place.dataset.token;
        }
        return request;
    },
});
