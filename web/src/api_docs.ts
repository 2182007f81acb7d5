/** The page that describes an API and tries its calls: Swagger UI over the OpenAPI document that the page names. */
import "swagger-ui-dist/swagger-ui.css";
import "./style/api_docs.css";
// as it is: the bundler would wrap it, and give the player's pages another file to fetch for that
import bundle from "swagger-ui-dist/swagger-ui-bundle.js?url";

declare global {
  interface Window {
    SwaggerUIBundle: (options: Record<string, unknown>) => unknown;
  }
}

const place = document.querySelector<HTMLElement>("[data-openapi]");
if (place) {
  const script = document.createElement("script");
  script.src = bundle;
  script.addEventListener("load", () => {
    window.SwaggerUIBundle({
      domNode: place,
      url: place.dataset.openapi,
      deepLinking: true,
      // sections closed: one of a hundred calls is found by its section
      docExpansion: "none",
      filter: true,
    });
  });
  document.head.append(script);
}
