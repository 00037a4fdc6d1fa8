/** The header: how many, how fast, what time it is in the stream, and whether we are connected. */

import type { State } from "./client";
import { type Entities, number } from "./entities";
import { element } from "./panel";
import { count, dateAndTime } from "./text";

const STATS_MS = 1_000;

/** What `/stats` may hold: a rate, or a total that a rate is taken from. */
interface Stats {
  events_per_s?: unknown;
  events?: unknown;
}

export class Header {
  private last: { events: number; at: number } | undefined;

  constructor(entities: Entities) {
    const entity = element("entities");
    const clock = element("clock");
    entities.onFolded(() => {
      entity.textContent = count(entities.all.size);
      if (entities.latest !== undefined) clock.textContent = dateAndTime(entities.latest);
    });
    window.setInterval(() => void this.poll(), STATS_MS);
  }

  connection(state: State, text: string): void {
    const status = element("connection");
    status.dataset["state"] = state;
    status.textContent = text;
  }

  private async poll(): Promise<void> {
    if (document.hidden) return;
    try {
      const answer = await fetch("stats");
      const rate = this.rate((await answer.json()) as Stats);
      element("rate").textContent = rate === undefined ? "–" : count(rate);
    } catch {
      element("rate").textContent = "–";
      this.last = undefined;
    }
  }

  private rate(stats: Stats): number | undefined {
    const stated = number(stats.events_per_s);
    if (stated !== undefined) return stated;
    const events = number(stats.events);
    if (events === undefined) return undefined;
    const now = { events, at: performance.now() };
    const before = this.last;
    this.last = now;
    if (!before || events < before.events) return undefined;
    return ((events - before.events) * 1_000) / (now.at - before.at);
  }
}
