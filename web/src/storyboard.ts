/** Thumbnails of the seek bar: a WebVTT file whose cues name regions of sprite images (`#xywh=`). */

export interface Tile {
  start_s: number;
  end_s: number;
  url: string;
  x: number;
  y: number;
  width: number;
  height: number;
}

export class Storyboard {
  constructor(private readonly tiles: Tile[]) {}

  /** The picture of a moment; the nearest earlier one where there is none. */
  at(seconds: number): Tile | undefined {
    return this.tiles.findLast((tile) => tile.start_s <= seconds) ?? this.tiles[0];
  }
}

/** Null when there is none: a missing storyboard is no error to a viewer. */
export async function loadStoryboard(url: string): Promise<Storyboard | null> {
  try {
    const answer = await fetch(url);
    if (!answer.ok) return null;
    const tiles = parseStoryboard(await answer.text(), answer.url);
    return tiles.length ? new Storyboard(tiles) : null;
  } catch {
    return null;
  }
}

export function parseStoryboard(text: string, base: string): Tile[] {
  const tiles: Tile[] = [];
  for (const block of text.split(/\r?\n\r?\n/)) {
    const lines = block.split(/\r?\n/);
    const timing = lines.findIndex((line) => line.includes("-->"));
    const [start, end] = (lines[timing] ?? "").split("-->").map((part) => seconds(part.trim()));
    const target = lines[timing + 1]?.trim();
    if (timing < 0 || !target || start === undefined || end === undefined) continue;
    const region = /#xywh=(?:pixel:)?(\d+),(\d+),(\d+),(\d+)$/.exec(target);
    if (!region) continue;
    const [x = 0, y = 0, width = 0, height = 0] = region.slice(1).map(Number);
    if (!width || !height) continue;
    const url = new URL(target.slice(0, region.index), base).href;
    tiles.push({ start_s: start, end_s: end, url, x, y, width, height });
  }
  return tiles;
}

function seconds(text: string): number {
  const parts = (text.split(/\s/)[0] ?? "").split(":").map(Number);
  return parts.reduce((sum, part) => sum * 60 + part, 0);
}
