/** The page around the player: chapter list, share box. Works without being there (embed). */
import type { PlayerConfig } from "./config";
import type { Strings } from "./i18n";
import { chapterAt } from "./seekbar";

export function wirePage(strings: Strings, seek: (to_s: number) => void): void {
  for (const button of document.querySelectorAll<HTMLElement>("[data-start]")) {
    button.addEventListener("click", () => {
      seek(Number(button.dataset.start));
      document.querySelector(".pc-root")?.scrollIntoView({ block: "nearest", behavior: "smooth" });
    });
  }
  for (const button of document.querySelectorAll<HTMLButtonElement>("[data-copy]")) {
    button.hidden = !navigator.clipboard;
    button.addEventListener("click", () => {
      const field = document.getElementById(button.dataset.copy ?? "") as HTMLInputElement | null;
      if (!field) return;
      const before = button.textContent;
      void navigator.clipboard.writeText(field.value).then(() => {
        button.textContent = strings.copied;
        window.setTimeout(() => (button.textContent = before), 1500);
      });
    });
  }
  for (const field of document.querySelectorAll<HTMLInputElement>("input.pc-share-field")) {
    field.addEventListener("focus", () => field.select());
  }
}

/** Marks the chapter that plays. */
export function markChapter(config: PlayerConfig, now: number): void {
  const current = chapterAt(config.chapters, now);
  for (const button of document.querySelectorAll<HTMLElement>("[data-start]")) {
    const on = current !== undefined && Number(button.dataset.start) === current.start_s;
    if (on) button.setAttribute("aria-current", "true");
    else button.removeAttribute("aria-current");
  }
}
