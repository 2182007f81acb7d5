import type { Theme } from "./config";

type Rgb = readonly [number, number, number];

/** Paper and ink of both schemes, as in base.css. */
const SCHEMES = {
  light: { paper: [255, 255, 255], ink: [20, 24, 31] },
  dark: { paper: [28, 33, 40], ink: [238, 240, 243] },
} as const;
/** What lines and signs need against their ground, WCAG 2.2, 1.4.11. */
const CONTRAST = 3;

/** The parts of a colour, 0..255. Null when the text is no plain colour. */
function parts(color: string): Rgb | null {
  const canvas = document.createElement("canvas").getContext("2d");
  if (!canvas || !CSS.supports("color", color)) return null;
  canvas.fillStyle = color;
  canvas.fillRect(0, 0, 1, 1);
  const [r = 0, g = 0, b = 0] = canvas.getImageData(0, 0, 1, 1).data;
  return [r, g, b];
}

/** Relative luminance of an sRGB colour, WCAG 2.2. */
function luminance(color: Rgb): number {
  const [r = 0, g = 0, b = 0] = color.map((part) => {
    const value = part / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function contrast(a: Rgb, b: Rgb): number {
  const [low = 0, high = 0] = [luminance(a), luminance(b)].sort((x, y) => x - y);
  return (high + 0.05) / (low + 0.05);
}

/** The colour with as much ink in it as it takes to be seen on paper: yellow on white, navy in the dark. */
function legible(color: Rgb, paper: Rgb, ink: Rgb): string {
  const mixed = (share: number): Rgb => [0, 1, 2].map((i) => Math.round((color[i] ?? 0) * (1 - share) + (ink[i] ?? 0) * share)) as unknown as Rgb;
  let share = 0;
  while (share < 1 && contrast(mixed(share), paper) < CONTRAST) share += 0.05;
  return `rgb(${mixed(Math.min(share, 1)).join(" ")})`;
}

/**
 * Writes a theme into CSS variables of the page. Values go through the CSSOM one by one, so a
 * value that is no colour or length is dropped and can never become another rule.
 */
export function applyTheme(theme: Theme, root: HTMLElement = document.documentElement): void {
  const set = (name: string, value: string | null, property: string): void => {
    if (value && CSS.supports(property, value)) root.style.setProperty(name, value);
  };
  set("--pc-accent", theme.primary_color, "color");
  const accent = theme.primary_color ? parts(theme.primary_color) : null;
  if (accent) {
    // 0.18 is where black and white text contrast equally
    root.style.setProperty("--pc-on-accent", luminance(accent) > 0.18 ? "#14181f" : "#ffffff");
    for (const [name, { paper, ink }] of Object.entries(SCHEMES)) root.style.setProperty(`--pc-mark-${name}`, legible(accent, paper, ink));
  }
  if (theme.font_family) set("--pc-font", `${theme.font_family}, system-ui, sans-serif`, "font-family");
  if (theme.font_size) set("--pc-size", `${clamp(theme.font_size, 10, 28)}px`, "font-size");
  if (theme.caption.font_size) set("--pc-caption-size", `${clamp(theme.caption.font_size, 8, 72)}px`, "font-size");
  set("--pc-caption-color", theme.caption.font_color, "color");
  set("--pc-caption-background", theme.caption.background_color, "background-color");
}

function clamp(value: number, low: number, high: number): number {
  return Math.min(Math.max(value, low), high);
}
