/**
 * The contract between the page renderer (polycast.delivery.pages) and the player.
 *
 * Times are seconds, bit rates bits per second, URLs absolute or relative to the page.
 */

export interface Chapter {
  title: string;
  start_s: number;
  end_s: number | null;
}

export interface Caption {
  language: string;
  label: string;
  url: string;
}

/** What the control bar shows. One flag, one visible thing. */
export interface ControlFlags {
  big_play: boolean;
  play_pause: boolean;
  mute: boolean;
  volume: boolean;
  captions: boolean;
  settings: boolean;
  picture_in_picture: boolean;
  current_time: boolean;
  remaining_time: boolean;
  total_time: boolean;
  progress: boolean;
  heatmap: boolean;
  double_tap: boolean;
  airplay: boolean;
  fullscreen: boolean;
}

/** Which pages the settings menu has. */
export interface MenuFlags {
  captions: boolean;
  quality: boolean;
  speed: boolean;
  loop: boolean;
}

export interface Theme {
  primary_color: string | null;
  font_family: string | null;
  font_size: number | null;
  caption: { font_size: number | null; font_color: string | null; background_color: string | null };
  controls: ControlFlags;
  settings: MenuFlags;
  language: string | null;
}

export interface Start {
  autoplay: boolean;
  muted: boolean;
  loop: boolean;
  /** none: nothing before play; metadata: the manifest; auto: the first segments too. */
  preload: "none" | "metadata" | "auto";
  at_s: number;
  /** Go on where this viewer stopped, unless the address says where to begin. */
  resume: boolean;
}

export interface PlayerConfig {
  status: "processing" | "ready" | "error";
  /** Words of the server for `processing` and `error`; null = the player's own words. */
  message: string | null;
  /** 0..1 while processing, null = unknown. */
  progress: number | null;
  /** Where a fresh copy of this configuration is; null = never changes. */
  config_url: string | null;
  /** Names the set of tracks behind `sources`; another name means better tracks. */
  generation: string | null;
  /** False while better tracks are still being made. */
  complete: boolean;
  asset: {
    code: string;
    title: string;
    description: string;
    duration_s: number | null;
    kind: "video" | "audio";
    live: boolean;
    width: number | null;
    height: number | null;
  };
  /** Manifests; `mp4` is a whole file, where that is all there is. */
  sources: { hls: string | null; dash: string | null; mp4: string | null };
  poster: string | null;
  storyboard: string | null;
  /** How much each equal slice of the length was watched, 0..1. */
  heatmap: number[];
  chapters: Chapter[];
  captions: Caption[];
  tags: string[];
  theme: Theme;
  start: Start;
  beacon_url: string | null;
  /** False keeps the page from opening the browser's tools by menu and keys. */
  dev_tools: boolean;
}

/** A configuration out of the sight of who reads the page's source: key, then JSON XORed with it, in base64. */
export interface Veiled {
  veiled: string;
}

const VEIL_KEY_BYTES = 16;

/** Either form that the server hands out, as the configuration it is. */
export function unveil(found: PlayerConfig | Veiled): PlayerConfig {
  if (!("veiled" in found)) return found;
  const bytes = Uint8Array.from(atob(found.veiled), (letter) => letter.charCodeAt(0));
  const key = bytes.subarray(0, VEIL_KEY_BYTES);
  const text = bytes.slice(VEIL_KEY_BYTES).map((byte, n) => byte ^ (key[n % VEIL_KEY_BYTES] ?? 0));
  return JSON.parse(new TextDecoder().decode(text)) as PlayerConfig;
}

export type Format = "hls" | "dash" | "mp4";

/** Reads the configuration that the server wrote into the page. Throws when the page has none. */
export function readConfig(doc: Document = document): PlayerConfig {
  const text = doc.getElementById("polycast-config")?.textContent;
  if (!text) throw new Error("the page holds no player configuration");
  return unveil(JSON.parse(text) as PlayerConfig | Veiled);
}

/** What the address of the page may change: `?t=90&autoplay=1&muted=1&loop=1&preload=auto&format=hls`. */
export interface AddressOptions extends Partial<Start> {
  format?: Format;
}

export function readAddress(search: string): AddressOptions {
  const query = new Map<string, string>();
  for (const [key, value] of new URLSearchParams(search)) query.set(key.toLowerCase(), value);
  const options: AddressOptions = {};
  for (const name of ["autoplay", "muted", "loop"] as const) {
    const value = query.get(name)?.toLowerCase();
    if (value !== undefined) options[name] = value === "" || value === "1" || value === "true";
  }
  const at = parseTime(query.get("t") ?? query.get("start"));
  if (at !== null) options.at_s = at;
  const preload = query.get("preload");
  if (preload === "none" || preload === "metadata" || preload === "auto") options.preload = preload;
  const format = query.get("format");
  if (format === "hls" || format === "dash" || format === "mp4") options.format = format;
  return options;
}

/** "90", "90s", "1m30s", "1:30" → seconds; null when it is none of these. */
export function parseTime(text: string | undefined): number | null {
  if (!text) return null;
  if (/^\d+(:\d{1,2}){1,2}$/.test(text)) return text.split(":").reduce((sum, part) => sum * 60 + Number(part), 0);
  const match = /^(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s?)?$/.exec(text);
  if (!match) return null;
  return Number(match[1] ?? 0) * 3600 + Number(match[2] ?? 0) * 60 + Number(match[3] ?? 0);
}
