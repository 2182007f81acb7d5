/** Small typed helpers to build elements; text is always set as text, never parsed as HTML. */

type Attributes = Record<string, string | number | boolean | null | undefined>;

export function el<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: (Node | string | null | undefined)[]
): HTMLElementTagNameMap[K] {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    node.setAttribute(name, value === true ? "" : String(value));
  }
  for (const child of children) if (child !== null && child !== undefined) node.append(child);
  return node;
}

const SVG = "http://www.w3.org/2000/svg";

/** 24-unit line icons of our own; a path starting with "!" is filled. */
const ICONS = {
  play: ["!M8 5.4c0-.9 1-1.4 1.7-.9l9.3 6.6c.6.4.6 1.4 0 1.8l-9.3 6.6c-.7.5-1.7 0-1.7-.9z"],
  pause: ["!M7 5h3.4v14H7zM13.6 5H17v14h-3.4z"],
  replay: ["M5 12a7 7 0 1 0 2.3-5.2", "M4.6 3.8v4h4"],
  volume: ["!M4 9.5h3.2L12 5.6v12.8l-4.8-3.9H4z", "M15.2 9.2a4 4 0 0 1 0 5.6", "M17.8 6.6a7.6 7.6 0 0 1 0 10.8"],
  volumeLow: ["!M4 9.5h3.2L12 5.6v12.8l-4.8-3.9H4z", "M15.2 9.2a4 4 0 0 1 0 5.6"],
  muted: ["!M4 9.5h3.2L12 5.6v12.8l-4.8-3.9H4z", "M15.5 9.6l5 4.8", "M20.5 9.6l-5 4.8"],
  captions: ["M5.5 5.5h13a2 2 0 0 1 2 2v9a2 2 0 0 1-2 2h-13a2 2 0 0 1-2-2v-9a2 2 0 0 1 2-2z", "M10.4 10.6a2 2 0 1 0 0 2.8", "M16.8 10.6a2 2 0 1 0 0 2.8"],
  settings: ["M4 7.5h8.4", "M17.6 7.5H20", "M4 16.5h2.4", "M11.6 16.5H20", "M15 4.9a2.6 2.6 0 1 1 0 5.2 2.6 2.6 0 0 1 0-5.2z", "M9 13.9a2.6 2.6 0 1 1 0 5.2 2.6 2.6 0 0 1 0-5.2z"],
  pip: ["M5.5 5h13a2 2 0 0 1 2 2v3M11 19H5.5a2 2 0 0 1-2-2V7a2 2 0 0 1 2-2", "!M14.6 13.2h5a1.4 1.4 0 0 1 1.4 1.4v3a1.4 1.4 0 0 1-1.4 1.4h-5a1.4 1.4 0 0 1-1.4-1.4v-3a1.4 1.4 0 0 1 1.4-1.4z"],
  airplay: ["M7 16.5H5.5a2 2 0 0 1-2-2v-7a2 2 0 0 1 2-2h13a2 2 0 0 1 2 2v7a2 2 0 0 1-2 2H17", "!M12 14.6l4.6 5.4H7.4z"],
  fullscreen: ["M4.5 9V6.5a2 2 0 0 1 2-2H9", "M15 4.5h2.5a2 2 0 0 1 2 2V9", "M19.5 15v2.5a2 2 0 0 1-2 2H15", "M9 19.5H6.5a2 2 0 0 1-2-2V15"],
  shrink: ["M9 4.5V7a2 2 0 0 1-2 2H4.5", "M19.5 9H17a2 2 0 0 1-2-2V4.5", "M15 19.5V17a2 2 0 0 1 2-2h2.5", "M4.5 15H7a2 2 0 0 1 2 2v2.5"],
  check: ["M5.5 12.5l4.2 4.2 8.8-9.2"],
  next: ["M9.5 6.5l5.5 5.5-5.5 5.5"],
  back: ["M14.5 6.5L9 12l5.5 5.5"],
  alert: ["M12 4.2l8.6 15H3.4z", "M12 10v4.2", "M12 16.6v.4"],
  forward: ["M6 7l5 5-5 5", "M13 7l5 5-5 5"],
  rewind: ["M18 7l-5 5 5 5", "M11 7l-5 5 5 5"],
} as const;

export type IconName = keyof typeof ICONS;

export function icon(name: IconName): SVGSVGElement {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", "pc-icon");
  svg.setAttribute("aria-hidden", "true");
  svg.setAttribute("focusable", "false");
  for (const shape of ICONS[name]) {
    const path = document.createElementNS(SVG, "path");
    const filled = shape.startsWith("!");
    path.setAttribute("d", filled ? shape.slice(1) : shape);
    path.setAttribute("class", filled ? "fill" : "line");
    svg.append(path);
  }
  return svg;
}

/** A button with an icon alone. The name is both the accessible name and the tooltip. */
export function iconButton(className: string, name: IconName, label: string, shortcut?: string): HTMLButtonElement {
  const button = el("button", { type: "button", class: className }, icon(name));
  setLabel(button, label, shortcut);
  return button;
}

export function setLabel(button: HTMLElement, label: string, shortcut?: string): void {
  button.setAttribute("aria-label", label);
  button.title = shortcut ? `${label} (${shortcut})` : label;
  if (shortcut) button.setAttribute("aria-keyshortcuts", shortcut);
}

export function setIcon(button: HTMLElement, name: IconName): void {
  if (button.dataset.icon === name) return;
  button.dataset.icon = name;
  button.querySelector("svg")?.replaceWith(icon(name));
}

export function show(node: HTMLElement, visible: boolean): void {
  node.hidden = !visible;
}
