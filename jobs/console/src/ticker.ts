/** The list of what happened: crossings and stops, the latest on top. */

import type { Listener, Row } from "./client";
import { type Position, number } from "./entities";
import { duration, timeOfDay } from "./text";

const MOST_LINES = 200;

export class Ticker {
  crossings = 0;
  private readonly lines = new Map<string, HTMLElement>();

  constructor(
    private readonly list: HTMLElement,
    private readonly empty: HTMLElement,
    private readonly zoneName: (zone: string) => string,
    private readonly visit: (entity: string, seen: Position | undefined) => void,
  ) {}

  /** The listener of one of the two views. */
  of(view: "crossings" | "stops"): Listener {
    return {
      upsert: (key, row) => {
        const name = `${view} ${key}`;
        if (view === "crossings" && !this.lines.has(name)) this.crossings += 1;
        this.add(name, view === "crossings" ? this.crossing(row) : this.stop(row));
      },
      remove: (key) => this.drop(`${view} ${key}`),
      folded: () => {
        this.empty.hidden = this.lines.size > 0;
      },
    };
  }

  private add(key: string, line: HTMLElement): void {
    this.drop(key);
    this.lines.set(key, line);
    this.list.prepend(line);
    if (this.lines.size > MOST_LINES) {
      const oldest = this.lines.keys().next().value;
      if (oldest !== undefined) this.drop(oldest);
    }
  }

  private drop(key: string): void {
    this.lines.get(key)?.remove();
    this.lines.delete(key);
  }

  private crossing(row: Row): HTMLElement {
    const entered = row["event"] === "enter";
    const zone = this.zoneName(String(row["zone"]));
    const line = this.line(row, entered ? "enter" : "exit", number(row["ts_ms"]));
    line.append(text("what", `${entered ? "entered" : "left"} ${zone}`));
    return line;
  }

  private stop(row: Row): HTMLElement {
    const start = number(row["start_ms"]);
    const end = number(row["end_ms"]);
    const line = this.line(row, "stop", end);
    const long = start !== undefined && end !== undefined ? ` for ${duration(end - start)}` : "";
    line.append(text("what", `stopped${long}`));
    return line;
  }

  private line(row: Row, kind: string, time: number | undefined): HTMLElement {
    const line = document.createElement("li");
    line.dataset["kind"] = kind;
    const entity = String(row["entity_id"]);
    const name = document.createElement("button");
    name.type = "button";
    name.textContent = entity;
    const lon = number(row["lon"]) ?? number(row["anchor_lon"]);
    const lat = number(row["lat"]) ?? number(row["anchor_lat"]);
    const seen: Position | undefined = lon === undefined || lat === undefined ? undefined : [lon, lat];
    name.addEventListener("click", () => this.visit(entity, seen));
    line.append(text("when", time === undefined ? "" : timeOfDay(time)), name);
    return line;
  }
}

function text(name: string, content: string): HTMLElement {
  const span = document.createElement("span");
  span.className = name;
  span.textContent = content;
  return span;
}
