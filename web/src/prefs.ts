/** What a viewer chose, kept on their own device only. Storage may be refused (private mode, sandboxed frames). */

export interface Preferences {
  volume?: number;
  muted?: boolean;
  /** Language of captions, null = off. */
  captions?: string | null;
}

const KEY = "polycast.player";

export function readPreferences(): Preferences {
  try {
    return JSON.parse(localStorage.getItem(KEY) ?? "{}") as Preferences;
  } catch {
    return {};
  }
}

export function keep(change: Preferences): void {
  try {
    localStorage.setItem(KEY, JSON.stringify({ ...readPreferences(), ...change }));
  } catch {
    // nothing to do: the choice holds for this page
  }
}
