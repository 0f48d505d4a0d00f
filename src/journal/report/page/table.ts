/** Tables: the fallback of every chart, and the lists of agents and workflows. */
import { markup, type Markup } from './markup.ts'

export interface Column<Row> {
  readonly head: string
  readonly cell: (row: Row) => string
  /** What the column sorts by; absent = its text. */
  readonly value?: (row: Row) => number
  readonly isText?: boolean
}

export interface TableOptions<Row> {
  readonly caption: string
  /** A last row that stands below, whatever the order. */
  readonly rest?: Row
  readonly sortable?: boolean
}

export function tableOf<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  options: TableOptions<Row>,
): Markup {
  const sortable = options.sortable === true ? markup` data-sortable` : undefined
  return markup`<div class="scroll" tabindex="0" role="region" aria-label="${options.caption}"><table${sortable}><caption>${options.caption}</caption>
<thead><tr>${columns.map((column) => markup`<th scope="col"${leftOf(column)}>${column.head}</th>`)}</tr></thead>
<tbody>${rows.map((row) => rowOf(columns, row))}</tbody>${
    options.rest === undefined ? undefined : markup`<tfoot>${rowOf(columns, options.rest, true)}</tfoot>`
  }</table></div>`
}

/** A table that is there for those who cannot see the chart, or want its numbers. */
export function folded(table: Markup, text = 'As a table'): Markup {
  return markup`<details>
    <summary>${text}</summary>
    ${table}
  </details>`
}

function rowOf<Row>(columns: readonly Column<Row>[], row: Row, isRest = false): Markup {
  const cells = columns.map((column, index) => {
    const value = column.value === undefined ? undefined : markup` data-value="${column.value(row)}"`
    return index === 0
      ? markup`<th scope="row"${leftOf(column)}${value}>${column.cell(row)}</th>`
      : markup`<td${leftOf(column)}${value}>${column.cell(row)}</td>`
  })
  return markup`<tr${isRest ? markup` class="rest"` : undefined}>${cells}</tr>`
}

function leftOf<Row>(column: Column<Row>): Markup | undefined {
  return column.isText === true ? markup` class="left"` : undefined
}
