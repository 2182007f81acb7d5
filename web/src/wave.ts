/** A drawn wave for sound without a picture: decoration that also shows how far it has played. */
import { el } from "./dom";

const BARS = 64;

/** The same asset always gets the same wave. */
export function wave(seed: string): { element: HTMLElement; draw: (share: number) => void } {
  let state = 2166136261;
  for (const char of seed) state = Math.imul(state ^ char.charCodeAt(0), 16777619) >>> 0;
  const random = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  const bars = Array.from({ length: BARS }, (_, i) => {
    const bar = el("i");
    const swell = 0.45 + 0.35 * Math.sin((i / BARS) * Math.PI * 5 + state);
    bar.style.height = `${Math.round(14 + 86 * Math.min(1, swell * (0.5 + random())))}%`;
    return bar;
  });
  const element = el("div", { class: "pc-wave", "aria-hidden": "true" }, ...bars);
  let played = -1;
  return {
    element,
    draw: (share) => {
      const now = Math.round(share * BARS);
      if (now === played) return;
      played = now;
      bars.forEach((bar, i) => bar.classList.toggle("is-played", i < now));
    },
  };
}
