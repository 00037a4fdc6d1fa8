/** The panel of the selected entity: every field of its row, as it changes. */

import type { Entities } from "./entities";
import { field } from "./text";

export class Panel {
  private selected: string | undefined;
  private readonly root = element("entity");
  private readonly name = element("entity-name");
  private readonly fields = element("entity-fields");

  constructor(
    private readonly entities: Entities,
    close: () => void,
  ) {
    element("entity-close").addEventListener("click", close);
    entities.onFolded(() => this.draw());
  }

  select(key: string | undefined): void {
    this.selected = key;
    this.draw();
  }

  private draw(): void {
    this.root.hidden = this.selected === undefined;
    if (this.selected === undefined) return;
    this.name.textContent = this.selected;
    const row = this.entities.all.get(this.selected)?.row;
    if (!row) {
      this.fields.replaceChildren(line("state", "not on the map (any more)"));
      return;
    }
    const lines = Object.entries(row)
      .filter(([name]) => name !== "entity_id" && name !== "change")
      .map(([name, value]) => line(name.replace(/_ms$/, ""), field(name, value)));
    this.fields.replaceChildren(...lines);
  }
}

function line(name: string, value: string): HTMLElement {
  const row = document.createElement("tr");
  const head = document.createElement("th");
  head.scope = "row";
  head.textContent = name;
  const cell = document.createElement("td");
  cell.textContent = value;
  row.append(head, cell);
  return row;
}

/** An element that the page is known to have. */
export function element(id: string): HTMLElement {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no #${id}`);
  return found;
}
