/** Fan-out: how workflows are spread, and the widest of them as trees. */
import { binColumns } from '../charts/column-charts.ts'
import { smallChart } from '../charts/svg-chart.ts'
import type { SpreadFindings } from '../count-spread.ts'
import type { Findings } from '../findings.ts'
import { sayClock, sayCount, sayMany, saySpan } from '../say.ts'
import type { TreeNode, WorkflowFindings } from '../workflow-shape.ts'
import { markup, type Markup } from './markup.ts'
import { folded, tableOf } from './table.ts'

const CHART_WIDTH = 320
/** Children of one node that are shown one by one. */
const MOST_CHILDREN = 6
/** Of one tree. */
const MOST_ROWS = 18
/** Agents that called for nobody, below one node. */
const MOST_LEAVES = 3
const MOST_STEPS = 14
const MOST_TREES = 4
/** A workflow of this width is no fan-out. */
const NARROW = 2

export function fanOutSection(findings: Findings): Markup {
  const { fanOut } = findings
  const { workflows, named, width, calls, depth, steps } = fanOut
  const wide = unlike(fanOut.widest.filter((shape) => shape.width >= NARROW)).slice(0, MOST_TREES)
  const last =
    depth.max > 1
      ? spread('Levels of agents', 'an agent that calls for another one is a level', depth)
      : spread('Steps', 'what begins while the calls before are being answered is one step', steps)
  return markup`<section id="fan-out">
    <h2>Fan-out</h2>
    <p>
      ${sayMany(workflows, 'workflow')}
      (${
        named === workflows
          ? 'all with an id'
          : `${sayCount(named)} with an id, the others told apart by pauses`
      }).
      Half of them make ${sayMany(calls.p50, 'call')} and have ${sayMany(width.p50, 'call')} open at once; one
      in a hundred reaches ${sayMany(calls.p99, 'call')} and a width of ${sayCount(width.p99)}, the largest
      ${sayMany(calls.max, 'call')} and ${sayCount(width.max)}.
    </p>
    <div class="trio">
      ${spread('Calls', 'per workflow, retries apart', calls)}${spread('Width', 'most calls open at once', width)}${last}
    </div>
    ${
      wide.length === 0
        ? markup`<p class="note">No workflow had several calls open at once.</p>`
        : markup`<h3>The widest</h3>
            <p class="note">Who called for whom, by the parents that the wire names; without any, step by step.</p>
            <div class="trees">${wide.map((shape) => widestTree(shape))}</div>`
    }${fanOut.cutShort > 0 ? markup`<p class="note">${sayMany(fanOut.cutShort, 'workflow')} counted as ended early: more were open at once than are followed.</p>` : undefined}
  </section>`
}

function spread(title: string, note: string, { bins, p50, p99, max }: SpreadFindings): Markup {
  const named = bins.map(({ from, to, count }) => ({
    name: from === to ? String(from) : `${from}-${to}`,
    count,
  }))
  const text = `half ${sayCount(p50)}, 99 % up to ${sayCount(p99)}, most ${sayCount(max)}`
  return markup`<figure class="small">
    <figcaption><b>${title}</b>, ${note}</figcaption>
    ${smallChart({ title: `Workflows by ${title.toLowerCase()}`, description: text }, CHART_WIDTH, binColumns(named, CHART_WIDTH - 54, 'var(--accent)'))}
    ${folded(
      tableOf(
        [
          { head: title.toLowerCase(), cell: ({ name }) => name },
          { head: 'workflows', cell: ({ count }) => sayCount(count) },
        ],
        named,
        { caption: `Workflows by ${title.toLowerCase()}` },
      ),
    )}
  </figure>`
}

function widestTree(shape: WorkflowFindings): Markup {
  const span = saySpan(shape.toMs - shape.fromMs)
  const levels = levelsOf(shape.tree)
  const isSteps = shape.by === 'steps'
  const rows = isSteps ? stepRows(shape.tree) : agentRows(shape.tree)
  const most = Math.max(1, ...flat(rows).map(({ calls }) => calls))
  return markup`<div><h4>${shape.workflow}</h4>
<p class="note">${sayMany(shape.calls, 'call')}${shape.retries > 0 ? ` and ${sayCount(shape.retries)} repeated` : ''} in ${span} from ${sayClock(shape.fromMs)}; ${sayCount(shape.width)} at once${
    isSteps ? `, in ${sayMany(shape.steps, 'step')}` : `, ${sayMany(shape.agents, 'agent')}`
  }${levels.length > 1 ? ` on ${levels.length} levels (${levels.map(sayCount).join(', ')})` : ''}${shape.inferred ? '; no id on the wire' : ''}</p>
${branch(rows, most, isSteps ? 'tree steps' : 'tree')}</div>`
}

/** The first of those whose trees look alike: as many agents on each level, or as many steps. */
function unlike(shapes: readonly WorkflowFindings[]): readonly WorkflowFindings[] {
  const seen = new Set<string>()
  return shapes.filter(({ by, tree: nodes, calls }) => {
    const look = by === 'agents' ? levelsOf(nodes).join(' ') : `${nodes.length} steps, ${calls}`
    if (seen.has(look)) return false
    seen.add(look)
    return true
  })
}

interface TreeRow {
  readonly name: string
  readonly calls: number
  readonly forNothing: number
  readonly children: readonly TreeRow[]
}

/** One row per step, its routes in a line; steps of one and the same call, one after the other, share a row. */
function stepRows(tree: readonly TreeNode[]): TreeRow[] {
  const rows: { from: string; to: string; routes: string; calls: number; forNothing: number }[] = []
  for (const step of tree) {
    const routes = routesOf(step)
    const calls = step.calls + step.retries
    const last = rows.at(-1)
    if (calls === 1 && last?.routes === routes) {
      last.to = step.name
      last.calls += 1
      last.forNothing += step.forNothing
    } else rows.push({ from: step.name, to: step.name, routes, calls, forNothing: step.forNothing })
  }
  const shown = rows.slice(0, MOST_STEPS).map(({ from, to, routes, calls, forNothing }) => ({
    name: from === to ? `${from}: ${routes}` : `${from} to ${to}: ${routes}, one by one`,
    calls,
    forNothing,
    children: [],
  }))
  const rest = rows.slice(MOST_STEPS)
  if (rest.length === 0) return shown
  const sum = (of: (row: (typeof rows)[number]) => number): number =>
    rest.reduce((all, row) => all + of(row), 0)
  return [
    ...shown,
    {
      name: sayMany(rest.length, 'more step'),
      calls: sum(({ calls }) => calls),
      forNothing: sum(({ forNothing }) => forNothing),
      children: [],
    },
  ]
}

function routesOf(step: TreeNode): string {
  const routes = step.children.map(({ name, calls }) => {
    const route = name === '' ? 'other routes' : name
    return calls > 1 ? `${sayCount(calls)} x ${route}` : route
  })
  return routes.join(', ')
}

/** The agents that stand for most calls, opened until there is no more room; the others folded where they stand. */
function agentRows(tree: readonly TreeNode[]): TreeRow[] {
  const opened = new Set<TreeNode>()
  let room = MOST_ROWS - Math.min(tree.length, MOST_CHILDREN + 1)
  const waiting = [...tree]
  while (room > 0 && waiting.length > 0) {
    waiting.sort((a, b) => totalOf(b).calls - totalOf(a).calls)
    const node = waiting.shift()!
    if (node.children.length === 0) continue
    opened.add(node)
    const leaves = node.children.filter(({ children }) => children.length === 0).length
    room -= Math.min(node.children.length - leaves, MOST_CHILDREN) + Math.min(leaves, MOST_LEAVES + 1)
    waiting.push(...node.children)
  }
  return rowsOf(tree, opened)
}

function rowsOf(nodes: readonly TreeNode[], opened: ReadonlySet<TreeNode>): TreeRow[] {
  const byWeight = nodes.toSorted((a, b) => totalOf(b).calls - totalOf(a).calls)
  let leaves = 0
  const shown = byWeight.filter((node, index) => {
    if (node.name === '') return false
    if (node.children.length === 0) return ++leaves <= MOST_LEAVES && index < MOST_CHILDREN
    return index < MOST_CHILDREN || opened.has(node)
  })
  const rest = byWeight.filter((node) => !shown.includes(node))
  const rows = shown.map((node): TreeRow => {
    if (opened.has(node)) {
      const { name, calls, retries, forNothing } = node
      return { name, calls: calls + retries, forNothing, children: rowsOf(node.children, opened) }
    }
    const total = totalOf(node)
    const below = total.agents - 1
    return {
      name: below === 0 ? node.name : `${node.name} and ${sayCount(below)} below`,
      ...total,
      children: [],
    }
  })
  if (rest.length === 0) return rows
  const total = together(rest)
  return [...rows, { name: sayMany(total.agents, 'more agent'), ...total, children: [] }]
}

function branch(rows: readonly TreeRow[], most: number, kind: string): Markup {
  return markup`<ul${kind === '' ? undefined : markup` class="${kind}"`}>${rows.map(
    ({ name, calls, forNothing, children }) =>
      markup`<li><div class="row"><span>${name}</span><span class="bar"><i style="width:${
        Math.round((calls / most) * 1000) / 10
      }%"></i></span><span class="n">${sayMany(calls, 'call')}${forNothing > 0 ? `, ${sayCount(forNothing)} in vain` : ''}</span></div>${
        children.length > 0 ? branch(children, most, '') : undefined
      }</li>`,
  )}</ul>`
}

interface Total {
  readonly agents: number
  readonly calls: number
  readonly forNothing: number
}

function totalOf(node: TreeNode): Total {
  const below = together(node.children)
  return {
    agents: (node.agents ?? 1) + below.agents,
    calls: node.calls + node.retries + below.calls,
    forNothing: node.forNothing + below.forNothing,
  }
}

function together(nodes: readonly TreeNode[]): Total {
  const sum = { agents: 0, calls: 0, forNothing: 0 }
  for (const total of nodes.map(totalOf)) {
    sum.agents += total.agents
    sum.calls += total.calls
    sum.forNothing += total.forNothing
  }
  return sum
}

/** Agents on each level, from the top. */
function levelsOf(nodes: readonly TreeNode[]): readonly number[] {
  const levels: number[] = []
  const walk = (level: readonly TreeNode[], depth: number): void => {
    for (const node of level) {
      if (node.width === undefined) continue
      levels[depth] = (levels[depth] ?? 0) + (node.agents ?? 1)
      walk(node.children, depth + 1)
    }
  }
  walk(nodes, 0)
  return levels
}

function flat(rows: readonly TreeRow[]): readonly TreeRow[] {
  return rows.flatMap((row) => [row, ...flat(row.children)])
}
