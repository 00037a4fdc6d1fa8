/** The list of what happened: crossings, stops and trips, the latest on top. */

import type { Listener, Row } from "./client";
import { type Position, number } from "./entities";
import { distance, duration, timeOfDay } from "./text";

type View = "crossings" | "stops" | "trips";

export class Ticker {
  crossings = 0;
  private readonly lines = new Map<string, HTMLElement>();

  constructor(
    private readonly list: HTMLElement,
    private readonly empty: HTMLElement,
    private readonly zoneName: (zone: string) => string,
    private readonly visit: (entity: string, seen: Position | undefined) => void,
  ) {}

  /** The listener of one of the views. */
  of(view: View): Listener {
    return {
      upsert: (key, row) => {
        const name = `${view} ${key}`;
        if (view === "crossings" && !this.lines.has(name)) this.crossings += 1;
        this.add(name, this.lineOf(view, row));
      },
      remove: (key) => this.drop(`${view} ${key}`),
      folded: () => {
        this.empty.hidden = this.lines.size > 0;
      },
    };
  }

  /** Adds a line above all that are no later. The server removes the oldest of each view. */
  private add(key: string, line: HTMLElement): void {
    this.drop(key);
    this.lines.set(key, line);
    const time = Number(line.dataset["time"]);
    let next = this.list.firstElementChild;
    while (next instanceof HTMLElement && Number(next.dataset["time"]) > time) {
      next = next.nextElementSibling;
    }
    this.list.insertBefore(line, next);
  }

  private drop(key: string): void {
    this.lines.get(key)?.remove();
    this.lines.delete(key);
  }

  private lineOf(view: View, row: Row): HTMLElement {
    if (view === "crossings") return this.crossing(row);
    return view === "stops" ? this.stop(row) : this.trip(row);
  }

  private crossing(row: Row): HTMLElement {
    const entered = row["event"] === "enter";
    const zone = this.zoneName(String(row["zone"]));
    const line = this.line(row, entered ? "enter" : "exit", number(row["ts_ms"]));
    line.append(text("what", `${entered ? "entered" : "left"} ${zone}`));
    return line;
  }

  private stop(row: Row): HTMLElement {
    const line = this.line(row, "stop", number(row["end_ms"]));
    line.append(text("what", `stopped${lasting("for", row)}`));
    return line;
  }

  private trip(row: Row): HTMLElement {
    const line = this.line(row, "trip", number(row["end_ms"]));
    const far = number(row["distance_m"]);
    const what = far === undefined ? "" : ` of ${distance(far)}`;
    line.append(text("what", `ended a trip${what}${lasting("in", row)}`));
    return line;
  }

  private line(row: Row, kind: string, time: number | undefined): HTMLElement {
    const line = document.createElement("li");
    line.dataset["kind"] = kind;
    line.dataset["time"] = String(time ?? 0);
    const entity = String(row["entity_id"]);
    const name = document.createElement("button");
    name.type = "button";
    name.textContent = entity;
    const lon = number(row["lon"]) ?? number(row["anchor_lon"]) ?? number(row["end_lon"]);
    const lat = number(row["lat"]) ?? number(row["anchor_lat"]) ?? number(row["end_lat"]);
    const seen: Position | undefined = lon === undefined || lat === undefined ? undefined : [lon, lat];
    name.addEventListener("click", () => this.visit(entity, seen));
    line.append(text("when", time === undefined ? "" : timeOfDay(time)), name);
    return line;
  }
}

/** How long a row lasted, if it says so. */
function lasting(word: string, row: Row): string {
  const start = number(row["start_ms"]);
  const end = number(row["end_ms"]);
  return start === undefined || end === undefined ? "" : ` ${word} ${duration(end - start)}`;
}

function text(name: string, content: string): HTMLElement {
  const span = document.createElement("span");
  span.className = name;
  span.textContent = content;
  return span;
}
