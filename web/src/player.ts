import "./style.css";
import { App } from "./app";
import { readAddress, readConfig } from "./config";

declare global {
  interface Window {
    /** Handle for tests and for the curious; not a stable interface. */
    polycast?: App["handle"];
  }
}

const root = document.getElementById("polycast-player");
if (root) {
  const app = new App(root, readConfig(), readAddress(location.search));
  window.polycast = app.handle;
  app.begin();
}
