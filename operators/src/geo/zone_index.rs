//! Finds the zones of a place: a grid over all zones whose crowded cells are grids again.

use super::ring::{Bounds, Edge, Vertex};
use super::shape::{Shape, per_degree};
use std::collections::VecDeque;

/// A grid of grids. A cell knows the zones it lies in and the zones it lies across the edge of;
/// only the latter need an exact test.
#[derive(Debug)]
pub(super) struct ZoneIndex {
    bounds: Bounds,
    grids: Vec<Grid>,
    cells: Vec<Cell>,
    members: Vec<u32>,
}

#[derive(Clone, Copy, Debug)]
struct Grid {
    west: f64,
    south: f64,
    columns_per_degree: f64,
    rows_per_degree: f64,
    columns: u32,
    rows: u32,
    first_cell: u32,
}

/// Its zones are `members[first..]`: first those that hold all of it, then those it is across.
#[derive(Clone, Copy, Debug, Default)]
struct Cell {
    first: u32,
    within: u32,
    across: u32,
    /// Number of the grid that the cell is divided into, or 0.
    grid: u32,
}

/// A cell across the edges of more zones than this is divided.
const CROWD: usize = 3;
/// Into so many rows and columns.
const DIVISION: usize = 8;
/// A cell is not divided below this size, about a metre.
const SMALLEST_DEGREES: f64 = 1e-5;
/// How far rounding may move an edge or the border of a cell, with a wide margin: a part of the
/// cell's size, and degrees.
const SLACK: (f64, f64) = (1e-3, 1e-11);

impl Grid {
    fn column(&self, lon: f64) -> usize {
        (((lon - self.west) * self.columns_per_degree) as usize).min(self.columns as usize - 1)
    }

    fn row(&self, lat: f64) -> usize {
        (((lat - self.south) * self.rows_per_degree) as usize).min(self.rows as usize - 1)
    }

    fn cell(&self, point: Vertex) -> usize {
        let offset = self.row(point.lat) * self.columns as usize + self.column(point.lon);
        self.first_cell as usize + offset
    }

    fn cell_size(&self) -> (f64, f64) {
        let size = |per_degree: f64| if per_degree > 0.0 { 1.0 / per_degree } else { 0.0 };
        (size(self.columns_per_degree), size(self.rows_per_degree))
    }

    /// How far beyond its borders a cell looks for edges, in degrees of longitude and latitude.
    fn slack(&self) -> (f64, f64) {
        let (width, height) = self.cell_size();
        (width * SLACK.0 + SLACK.1, height * SLACK.0 + SLACK.1)
    }

    fn cell_bounds(&self, column: usize, row: usize) -> Bounds {
        let (width, height) = self.cell_size();
        let west = self.west + column as f64 * width;
        let south = self.south + row as f64 * height;
        Bounds { west, south, east: west + width, north: south + height }
    }

    /// Calls `mark` with every column and row that the edge may touch.
    fn trace(&self, edge: &Edge, mut mark: impl FnMut(usize, usize)) {
        let (_, height) = self.cell_size();
        let (slack_lon, slack_lat) = self.slack();
        let bounds = edge.bounds();
        let (low, high) = match edge.from.lat <= edge.to.lat {
            true => (edge.from, edge.to),
            false => (edge.to, edge.from),
        };
        let rise = high.lat - low.lat;
        for row in self.row(bounds.south - slack_lat)..=self.row(bounds.north + slack_lat) {
            let south = self.south + row as f64 * height - slack_lat;
            let north = south + height + 2.0 * slack_lat;
            let lon_at = |lat: f64, level: f64| {
                let part =
                    if rise > 0.0 { ((lat - low.lat) / rise).clamp(0.0, 1.0) } else { level };
                low.lon + part * (high.lon - low.lon)
            };
            let (one, other) = (lon_at(south, 0.0), lon_at(north, 1.0));
            let first = self.column(one.min(other).max(bounds.west) - slack_lon);
            let last = self.column(one.max(other).min(bounds.east) + slack_lon);
            (first..=last).for_each(|column| mark(column, row));
        }
    }
}

/// A cell that waits to be divided.
struct Crowded {
    cell: usize,
    bounds: Bounds,
    zones: Vec<u32>,
}

/// What an index may cost: a fixed amount and so much for each zone, however they overlap.
struct Budget {
    /// Cells and members of cells together.
    entries: usize,
    /// Edges and cells to be looked at.
    steps: usize,
}

impl Budget {
    fn of(zones: usize) -> Self {
        Self { entries: (1 << 21) + 64 * zones, steps: (1 << 29) + (1 << 12) * zones }
    }

    /// How many rows and columns the first grid has; where zones are large, it is a coarse one.
    fn first_side(&mut self, bounds: Bounds, shapes: &[&Shape]) -> usize {
        let wanted = ((16 * shapes.len()) as f64).sqrt() as usize;
        let mut side = wanted.clamp(DIVISION, 512);
        loop {
            let columns_per_degree = per_degree(side, bounds.east - bounds.west);
            let rows_per_degree = per_degree(side, bounds.north - bounds.south);
            let (mut entries, mut steps) = (side * side, 0);
            for shape in shapes {
                let Bounds { west, south, east, north } = shape.bounds;
                let columns = ((east - west) * columns_per_degree) as usize + 2;
                let rows = ((north - south) * rows_per_degree) as usize + 2;
                entries += columns.min(side) * rows.min(side);
                steps += columns * rows * shape.longest_band;
                steps += (columns + rows) * shape.edges_between(south, north).len();
            }
            if side == DIVISION || (entries <= self.entries && steps <= self.steps / 2) {
                self.steps = self.steps.saturating_sub(steps);
                return side;
            }
            side = (side * 3 / 4).max(DIVISION);
        }
    }

    /// Whether a cell may be divided, and if so takes the steps for it.
    fn allows(&mut self, index: &ZoneIndex, crowded: &Crowded, shapes: &[&Shape]) -> bool {
        let Bounds { south, north, .. } = crowded.bounds;
        let cells = DIVISION * DIVISION;
        let steps_of = |zone: &u32| {
            let shape = shapes[*zone as usize];
            cells * shape.longest_band + 2 * DIVISION * shape.edges_between(south, north).len()
        };
        let steps: usize = crowded.zones.iter().map(steps_of).sum();
        let entries = index.cells.len() + index.members.len() + cells * (1 + crowded.zones.len());
        let is_allowed = entries <= self.entries && steps <= self.steps;
        if is_allowed {
            self.steps -= steps;
        }
        is_allowed
    }
}

impl ZoneIndex {
    pub(super) fn new(shapes: &[&Shape]) -> Self {
        let bounds = shapes.iter().fold(Bounds::EMPTY, |all, shape| all.joined(&shape.bounds));
        let mut index = Self { bounds, grids: Vec::new(), cells: Vec::new(), members: Vec::new() };
        let mut budget = Budget::of(shapes.len());
        let side = budget.first_side(bounds, shapes);
        let all: Vec<u32> = (0..shapes.len() as u32).collect();
        let mut waiting = VecDeque::new();
        index.add_grid(bounds, side, &all, shapes, &mut waiting);
        // Wide before deep, so that a limit is felt everywhere alike.
        while let Some(crowded) = waiting.pop_front() {
            if !budget.allows(&index, &crowded, shapes) {
                continue;
            }
            let Crowded { cell, bounds, zones } = crowded;
            index.cells[cell].grid = index.grids.len() as u32;
            index.cells[cell].across = 0;
            index.add_grid(bounds, DIVISION, &zones, shapes, &mut waiting);
        }
        index
    }

    fn add_grid(
        &mut self,
        bounds: Bounds,
        side: usize,
        zones: &[u32],
        shapes: &[&Shape],
        waiting: &mut VecDeque<Crowded>,
    ) {
        let grid = Grid {
            west: bounds.west,
            south: bounds.south,
            columns_per_degree: per_degree(side, bounds.east - bounds.west),
            rows_per_degree: per_degree(side, bounds.north - bounds.south),
            columns: side as u32,
            rows: side as u32,
            first_cell: self.cells.len() as u32,
        };
        let mut found = vec![(Vec::new(), Vec::new()); side * side];
        for zone in zones {
            sort_cells(&grid, bounds, *zone, shapes[*zone as usize], &mut found);
        }
        let (width, height) = grid.cell_size();
        let divisible = width > SMALLEST_DEGREES && height > SMALLEST_DEGREES;
        for (offset, (within, across)) in found.into_iter().enumerate() {
            self.cells.push(Cell {
                first: self.members.len() as u32,
                within: within.len() as u32,
                across: across.len() as u32,
                grid: 0,
            });
            self.members.extend(within);
            self.members.extend(&across);
            if divisible && across.len() > CROWD {
                let bounds = grid.cell_bounds(offset % side, offset / side);
                let cell = grid.first_cell as usize + offset;
                waiting.push_back(Crowded { cell, bounds, zones: across });
            }
        }
        self.grids.push(grid);
    }

    /// Calls `found` with each zone that strictly contains the point, in no order.
    pub(super) fn visit<'a>(
        &self,
        point: Vertex,
        shape_of: impl Fn(u32) -> &'a Shape,
        mut found: impl FnMut(u32),
    ) {
        if !self.bounds.holds(point) {
            return;
        }
        let mut grid = 0;
        loop {
            let cell = self.cells[self.grids[grid].cell(point)];
            let (first, within) = (cell.first as usize, cell.within as usize);
            let across = first + within..first + within + cell.across as usize;
            self.members[first..first + within].iter().for_each(|zone| found(*zone));
            for zone in &self.members[across] {
                if shape_of(*zone).contains(point) {
                    found(*zone);
                }
            }
            if cell.grid == 0 {
                return;
            }
            grid = cell.grid as usize;
        }
    }
}

/// The zones that hold a cell, and those it is across the edge of.
type CellZones = (Vec<u32>, Vec<u32>);

/// Sorts one zone into the cells of a grid.
fn sort_cells(grid: &Grid, area: Bounds, zone: u32, shape: &Shape, found: &mut [CellZones]) {
    let (west, east) = (grid.column(shape.bounds.west), grid.column(shape.bounds.east));
    let (south, north) = (grid.row(shape.bounds.south), grid.row(shape.bounds.north));
    let columns = east - west + 1;
    let mut across = vec![false; columns * (north - south + 1)];
    let (slack_lon, slack_lat) = grid.slack();
    let reach = Bounds {
        west: area.west - slack_lon,
        south: area.south - slack_lat,
        east: area.east + slack_lon,
        north: area.north + slack_lat,
    };
    for edge in shape.edges_between(reach.south, reach.north) {
        if edge.bounds().meets(&reach) {
            grid.trace(edge, |column, row| {
                if (west..=east).contains(&column) && (south..=north).contains(&row) {
                    across[(row - south) * columns + column - west] = true;
                }
            });
        }
    }
    for row in south..=north {
        // Neighbours that no edge separates lie on the same side.
        let mut inside = None;
        for column in west..=east {
            let zones = &mut found[row * grid.columns as usize + column];
            if across[(row - south) * columns + column - west] {
                zones.1.push(zone);
                inside = None;
            } else if *inside.get_or_insert_with(|| {
                let cell = grid.cell_bounds(column, row);
                let lon = f64::midpoint(cell.west, cell.east);
                shape.contains(Vertex { lon, lat: f64::midpoint(cell.south, cell.north) })
            }) {
                zones.0.push(zone);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A ring through these corners.
    fn shape(corners: &[(f64, f64)]) -> Shape {
        let vertex = |(lon, lat): &(f64, f64)| Vertex { lon: *lon, lat: *lat };
        let next = corners.iter().cycle().skip(1);
        let edges: Vec<_> = corners.iter().zip(next).map(|(a, b)| (vertex(a), vertex(b))).collect();
        Shape::new(&edges.into_iter().map(|(from, to)| Edge { from, to }).collect::<Vec<_>>())
    }

    fn square(middle: (f64, f64), half: f64) -> Shape {
        let ((x, y), r) = (middle, half);
        shape(&[(x - r, y - r), (x + r, y - r), (x + r, y + r), (x - r, y + r)])
    }

    fn index_of(shapes: &[Shape]) -> ZoneIndex {
        ZoneIndex::new(&shapes.iter().collect::<Vec<_>>())
    }

    fn visited(index: &ZoneIndex, shapes: &[Shape], point: Vertex) -> Vec<u32> {
        let mut found = Vec::new();
        index.visit(point, |zone| &shapes[zone as usize], |zone| found.push(zone));
        found.sort_unstable();
        found
    }

    fn entries(index: &ZoneIndex) -> usize {
        index.cells.len() + index.members.len()
    }

    #[test]
    fn large_zones_over_one_another_take_little_memory() {
        for (step, count) in [(1e-2, 3_000), (1e-5, 3_000), (1e-3, 12_000)] {
            let shapes: Vec<_> =
                (0..count).map(|n| square((0.0, 0.0), 20.0 + f64::from(n) * step)).collect();
            let index = index_of(&shapes);
            assert!(entries(&index) <= Budget::of(shapes.len()).entries, "{}", entries(&index));
        }
    }

    /// The index asks one comb of long slanting teeth in each of many cells.
    #[test]
    fn a_zone_of_slanting_edges_among_many_does_not_ask_for_much_work() {
        let comb = (0..20_000).map(|n| f64::from(n) * 1e-3);
        let mut corners: Vec<_> = comb.flat_map(|x| [(x, 0.0), (x + 30.0, 40.0)]).collect();
        corners.extend([(60.0, -1.0), (0.0, -1.0)]);
        let places = (0..9_000).map(|n| (f64::from(n % 100) * 0.6, f64::from(n / 100) * 0.4));
        let mut shapes: Vec<_> = places.map(|place| square(place, 0.5)).collect();
        shapes.push(shape(&corners));
        let all: Vec<_> = shapes.iter().collect();
        let bounds = all.iter().fold(Bounds::EMPTY, |bounds, shape| bounds.joined(&shape.bounds));
        let (mut budget, few) = (Budget::of(all.len()), Budget::of(all.len()));
        assert!(budget.first_side(bounds, &all) < 100);
        assert!(budget.steps >= few.steps / 2);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn nested_and_stacked_zones_are_found(
            nested in (1u32..500, 1e-6f64..0.05),
            stacked in proptest::collection::vec((-3.0f64..3.0, -3.0f64..3.0, 0.1f64..9.0), 0..100),
            points in proptest::collection::vec((-12.0f64..12.0, -12.0f64..12.0), 100),
        ) {
            let sizes = (0..nested.0).map(|n| 1.0 + f64::from(n) * nested.1);
            let mut shapes: Vec<_> = sizes.map(|half| square((0.0, 0.0), half)).collect();
            shapes.extend(stacked.iter().map(|(x, y, r)| {
                shape(&[(x - r, y - r), (x + r, y - r / 2.0), (*x, y + r)])
            }));
            let index = index_of(&shapes);
            let corners = shapes.iter().map(|shape| (shape.bounds.west, shape.bounds.south));
            for (lon, lat) in points.into_iter().chain(corners) {
                let point = Vertex { lon, lat };
                let holds = |(zone, shape): (u32, &Shape)| shape.contains(point).then_some(zone);
                let expected: Vec<_> = (0..).zip(&shapes).filter_map(holds).collect();
                prop_assert_eq!(visited(&index, &shapes, point), expected);
            }
        }
    }
}
