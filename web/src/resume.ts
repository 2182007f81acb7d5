/** Where a viewer stopped, kept on their own device only, for the videos they watched last. */

const KEY = "polycast.places";
const KEPT = 100;
/** Who saw less has not begun; who has no more left has seen it all. Seconds, and a share of the length. */
const BEGUN_S = 5;
const SEEN = 0.95;
/** While playing, the place is written this often. */
const EVERY_S = 2;

/** Seconds by asset, the one watched last at the end. */
type Places = [code: string, at_s: number][];

function read(): Places {
  try {
    const found: unknown = JSON.parse(localStorage.getItem(KEY) ?? "[]");
    return Array.isArray(found) ? (found as Places).filter((place) => Array.isArray(place)) : [];
  } catch {
    return [];
  }
}

/** Seconds to go on from; 0 where there is nothing to go on with. */
export function placeOf(code: string): number {
  const at = read().find((place) => place[0] === code)?.[1] ?? 0;
  return Number.isFinite(at) && at > 0 ? at : 0;
}

/** Remembers the place of one video; `keep` is to be called as often as time advances. */
export class Bookmark {
  #kept = 0;

  constructor(private readonly code: string) {}

  /** `now`: write it down though the last time was a moment ago. */
  keep(at_s: number, duration_s: number, now = false): void {
    if (!now && Math.abs(at_s - this.#kept) < EVERY_S) return;
    this.#kept = at_s;
    const others = read().filter((place) => place[0] !== this.code);
    const wanted = at_s >= BEGUN_S && at_s < duration_s * SEEN;
    try {
      localStorage.setItem(KEY, JSON.stringify([...others, ...(wanted ? [[this.code, at_s]] : [])].slice(-KEPT)));
    } catch {
      // storage is refused (private mode, sandboxed frames): the next visit begins at the start
    }
  }
}
