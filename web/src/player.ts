import "./style.css";
import { App } from "./app";
import { readAddress, readConfig } from "./config";
import { closeTools } from "./devtools";

declare global {
  interface Window {
    /** Handle for tests and for the curious; not a stable interface. */
    polycast?: App["handle"];
  }
}

const root = document.getElementById("polycast-player");
if (root) {
  const config = readConfig();
  const app = new App(root, config, readAddress(location.search));
  if (config.dev_tools) window.polycast = app.handle;
  else closeTools();
  app.begin();
}
