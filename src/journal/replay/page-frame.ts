/** The page that results of a replay stand on, in the report's clothes: opens from disk, light and dark, prints. */
import { markup, Markup } from '../report/page/markup.ts'
import { pagePolicy, SCRIPT } from '../report/page/script.ts'
import { STYLE } from '../report/page/style.ts'
import type { Row } from './result-rows.ts'

/** On top of the report's sheet: bars by what happened to calls, and rows that belong together. */
const OWN_STYLE = `
td.left,th.left{text-align:left}tr.first>*{border-top:2px solid var(--rule)}
tr.difference>*{background:var(--panel);font-weight:650}
svg text{fill:var(--muted);font-size:11px}.calls{fill:var(--rule)}.held{fill:var(--end-refused)}.refused{fill:var(--end-throttled)}
i.calls{background:var(--rule)}i.held{background:var(--end-refused)}i.refused{background:var(--end-throttled)}`

/** A whole page, as HTML text. @param unknowns what the result cannot know, a sentence each */
export function framed(title: string, body: Markup, unknowns: readonly string[]): string {
  const page = markup`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta http-equiv="Content-Security-Policy" content="${pagePolicy()}" />
        <meta name="color-scheme" content="light dark" />
        <title>${title}</title>
        <style>
          ${new Markup(STYLE + OWN_STYLE)}
        </style>
      </head>
      <body>
        <div class="page">
          <header class="top">
            <h1>
              <span class="brand"><b>${title}</b></span>
            </h1>
            <button class="theme" type="button" hidden aria-label="Dark colours">Dark</button>
          </header>
          <main>
            ${body}
            <section>
              <h2>What this cannot know</h2>
              <ul>
                ${unknowns.map((line) => markup`<li>${line}</li>`)}
              </ul>
            </section>
          </main>
        </div>
        <script>
          ${new Markup(SCRIPT)}
        </script>
      </body>
    </html> `
  return page.text
}

/** A table that scrolls by itself on narrow screens; the first row is its head. */
export function table([head, ...body]: readonly Row[], caption: string): Markup {
  if (head === undefined || body.length === 0) return markup`<p>No call was touched.</p>`
  return markup`<div class="scroll" tabindex="0" role="region" aria-label="${caption}">
    <table>
      <caption>
        ${caption}
      </caption>
      <thead>
        ${tableRow(head)}
      </thead>
      <tbody>
        ${body.map(tableRow)}
      </tbody>
    </table>
  </div>`
}

function tableRow({ kind, texts, cells }: Row): Markup {
  return markup`<tr class="${kind}">
    ${cells.map((cell, index) => {
      const left = index < texts ? markup` class="left"` : undefined
      return kind === 'head' ? markup`<th scope="col" ${left}>${cell}</th>` : markup`<td${left}>${cell}</td>`
    })}
  </tr>`
}
