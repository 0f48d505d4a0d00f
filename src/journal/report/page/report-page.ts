/**
 * The report as one HTML file: opens from disk, asks no network for anything, and may be mailed. Light or dark as the
 * reader's system has it, prints in light, and reads without script.
 */
import type { Findings } from '../findings.ts'
import { sayCount, sayDay, sayMany, saySpan } from '../say.ts'
import { againstSection, type Against } from './against-section.ts'
import { callersSection } from './callers-section.ts'
import { fanOutSection } from './fan-out-section.ts'
import { firstScreen, usedUpstreams } from './first-screen.ts'
import { latencySection } from './latency-section.ts'
import { markup, Markup, NOTHING } from './markup.ts'
import { retrySection } from './retry-section.ts'
import { pagePolicy, SCRIPT } from './script.ts'
import { STYLE } from './style.ts'
import { wasteSection } from './waste-section.ts'
import { weirSection } from './weir-section.ts'

const SECTIONS = [
  ['retries', 'Correlated retries'],
  ['fan-out', 'Fan-out'],
  ['latency', 'Tail latency'],
  ['waste', 'Wasted work'],
  ['callers', 'Agents and workflows'],
] as const

export interface PageOptions {
  /** Stands in the title and at the top; default: the day of the journal. */
  readonly title?: string
  /** Who made the page: `weir 0.1.0`. */
  readonly madeBy: string
  /** Another journal to stand beside it. */
  readonly against?: Against
}

export function reportPage(findings: Findings, options: PageOptions): string {
  const title = options.title ?? `Weir report, ${sayDay(findings.time.fromMs)}`
  const isEmpty = findings.total.arrivals === 0
  const page = markup`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta http-equiv="Content-Security-Policy" content="${pagePolicy()}" />
        <meta name="color-scheme" content="light dark" />
        <title>${title}</title>
        <style>${new Markup(STYLE)}</style>
      </head>
      <body>
        <a class="skip" href="#main">To the report</a>
        <div class="page">
          <header class="top">
            <h1>
              <span class="brand"><b>${title}</b></span>
            </h1>
            <button class="theme" type="button" hidden aria-label="Dark colours">Dark</button>
          </header>
          <main id="main">${firstScreen(findings)} ${isEmpty ? NOTHING : sections(findings, options.against)}</main>
          ${foot(findings, options)}
        </div>
        <script>${new Markup(SCRIPT)}</script>
      </body>
    </html> `
  return page.text
}

function sections(findings: Findings, against: Against | undefined): Markup {
  const first = against === undefined ? [] : [['against', `${against.own}, and ${against.other}`] as const]
  const upstreams = usedUpstreams(findings)
  const weir = findings.source.mode === 'enforced' ? 'What Weir did' : 'What Weir would have done'
  return markup`<nav aria-label="Parts of the report">
      <ol>
        ${[...first, ...SECTIONS, ['weir', weir] as const].map(
          ([id, name]) => markup`<li><a href="#${id}">${name}</a></li>`,
        )}
      </ol>
    </nav>
    ${against === undefined ? NOTHING : againstSection(findings, against)}
    ${retrySection(findings, upstreams)} ${fanOutSection(findings)} ${latencySection(findings, upstreams)}
    ${wasteSection(findings, upstreams)} ${callersSection(findings)} ${weirSection(findings)}`
}

function foot({ source, time }: Findings, { madeBy }: PageOptions): Markup {
  const mode = {
    enforced: 'rules in force',
    shadow: 'rules in shadow mode only',
    observed: 'no rule had anything to say',
    imported: 'imported',
  }[source.mode]
  return markup`<footer>
    <p>
      Made by ${madeBy} from a journal of ${sayMany(source.runs, 'run')} in ${sayMany(source.parts, 'file')},
      written by ${source.writers.join(', ')} (${mode}${source.hashedIds ? ', names hashed' : ''});
      ${sayCount(source.events)} events. Charts have one column per ${saySpan(time.bucketMs)}.
    </p>
    <p>
      A journal holds metadata only: no word of what was asked or answered. Retries are inferred as Weir
      itself does it, with a confidence; they are counted by the sum of confidences. Of very many agents and
      workflows the ones that do most are followed, the others are counted together. All times are UTC.
    </p>
  </footer>`
}
