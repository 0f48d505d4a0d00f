/** The dashboard in a real browser, shown what a test wants to show it. */
import type { Browser, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { liveAgent, liveFrame, liveUpstream } from '../kit/frames.ts'
import { openBrowser, openPage, openStage, type Stage } from './kit.ts'

const EVIL = `<img src=x onerror="document.title='owned'"><script>document.title='owned'</script>`

let browser: Browser
let stage: Stage
let close: () => Promise<void>

const evilRule = {
  id: `demo/${EVIL}`,
  place: `${EVIL}:3`,
  description: EVIL,
  mode: 'shadow',
  fileMode: 'shadow',
  override: false,
  match: { agent: [EVIL] },
  when: {},
  action: { do: 'hold', hold: { max: 4000 } },
  hits: { passed: 0, held: 0, shed: 0, deferred: 0, wouldHold: 3, wouldShed: 0, wouldDefer: 0 },
}

/** The clock of a frame has to go on, or the page takes it for one that it has. */
function now(): string {
  return new Date().toISOString()
}

beforeAll(async () => {
  browser = await openBrowser()
})
afterAll(() => browser.close())
beforeEach(async () => {
  stage = await openStage(liveFrame({ time: now() }), [evilRule])
  close = async () => void (await stage.stop())
})
afterEach(async () => {
  for (const context of browser.contexts()) await context.close()
  await close()
})

const text = (page: Page, selector: string): Promise<string> => page.locator(selector).innerText()

describe('what comes from outside', () => {
  it('is text wherever it appears: names of agents, upstreams, workflows and rules, and sentences', async () => {
    stage.frame = liveFrame({
      time: now(),
      upstreams: [liveUpstream(EVIL, { condition: 'storming' })],
      agents: [liveAgent(EVIL, { retriesPerSecond: 4 })],
      retries: [[EVIL, 4]],
      agentsKnown: 1,
      workflows: [
        {
          workflow: EVIL,
          condition: 'wide',
          width: 3,
          depth: 1,
          calls: 4,
          inFlight: 1,
          retries: 0,
          ageMs: 1,
          idleMs: 1,
        },
      ],
      workflowsKnown: 1,
    })
    stage.events.publish({
      name: 'agent-looping',
      time: now(),
      upstream: EVIL,
      agent: EVIL,
      readings: {},
      text: EVIL,
    })
    const { page, errors } = await openPage(browser, stage.url)
    await page.locator('#heat-agents li').first().waitFor()
    await page.locator('#policies-table tbody tr').first().waitFor()
    for (const selector of [
      '#upstreams-table',
      '#agents-table',
      '#workflows-table',
      '#events-list',
      '#policies-table',
      '#heat-agents',
      '#charts',
    ]) {
      expect([selector, await text(page, selector)]).toEqual([
        selector,
        expect.stringContaining('<img src=x'),
      ])
    }
    expect(await page.locator('img').count()).toBe(0)
    expect(await page.locator('body script').count()).toBe(0)
    expect(await page.title()).toBe('Weir')
    expect(errors).toEqual([])
  })
})

describe('the page', () => {
  it('says what to do when no agent has called yet', async () => {
    stage.frame = liveFrame({
      time: now(),
      agents: [],
      upstreams: [
        liveUpstream('openai'),
        liveUpstream('claude', { dialect: 'anthropic' }),
        liveUpstream('idp', { dialect: 'problem' }),
      ],
    })
    const { page, errors } = await openPage(browser, stage.url)
    await expect
      .poll(() => text(page, '#first-call'))
      .toBe(
        'OPENAI_BASE_URL=http://127.0.0.1:8080/openai/v1\nANTHROPIC_BASE_URL=http://127.0.0.1:8080/claude\nhttp://127.0.0.1:8080/idp/…',
      )
    expect(await page.locator('#events-empty').isVisible()).toBe(true)
    expect(await page.locator('#workflows-empty').isVisible()).toBe(true)
    expect(await page.locator('#agents-table').isVisible()).toBe(false)
    expect(errors).toEqual([])
  })

  it('shows every condition by a word and a shape of its own, not by colour alone', async () => {
    const conditions = ['healthy', 'watch', 'recovering', 'drifting', 'storming', 'degraded', 'down'] as const
    stage.frame = liveFrame({
      time: now(),
      upstreams: conditions.map((condition) => liveUpstream(condition, { condition })),
    })
    const { page } = await openPage(browser, stage.url)
    await page.locator('#upstreams-table tbody tr').nth(6).waitFor()
    expect(await page.locator('#upstreams-table .word').allInnerTexts()).toEqual([...conditions])
    expect(new Set(await page.locator('#upstreams-table .glyph').allInnerTexts()).size).toBe(
      conditions.length,
    )
  })

  it('says since when it is disconnected, dims what is old, and comes back by itself', async () => {
    const { page } = await openPage(browser, stage.url)
    await expect.poll(() => text(page, '#status')).toBe('live')
    const open = await stage.stop()
    await expect
      .poll(() => text(page, '#status'), { timeout: 10_000 })
      .toMatch(/^disconnected since \d\d:\d\d:\d\d, trying again$/)
    expect(await page.locator('#main').getAttribute('data-stale')).not.toBe(null)
    await open()
    stage.frame = liveFrame({ time: now(), open: 77 })
    await expect.poll(() => text(page, '#status'), { timeout: 20_000 }).toBe('live')
    expect(await text(page, '#open')).toBe('77')
    expect(await page.locator('#main').getAttribute('data-stale')).toBe(null)
  })

  it('has no stream while it is hidden or paused', async () => {
    const { page } = await openPage(browser, stage.url)
    await expect.poll(() => stage.live.watchers).toBe(1)
    await page.evaluate(
      "Object.defineProperty(document, 'hidden', { value: true, configurable: true }); document.dispatchEvent(new Event('visibilitychange'))",
    )
    await expect.poll(() => [stage.live.watchers, stage.events.listeners]).toEqual([0, 0])
    await page.evaluate(
      "Object.defineProperty(document, 'hidden', { value: false }); document.dispatchEvent(new Event('visibilitychange'))",
    )
    await expect.poll(() => stage.live.watchers).toBe(1)
    await page.locator('#pause').click()
    await expect.poll(() => stage.live.watchers).toBe(0)
    expect(await text(page, '#status')).toBe('paused')
    await page.locator('#pause').click()
    await expect.poll(() => text(page, '#status')).toBe('live')
  })

  it('shows each event once, whatever streams come and go, and keeps 200', async () => {
    for (let n = 0; n < 150; n++)
      stage.events.publish({
        name: 'drift-started',
        time: now(),
        upstream: 'idp',
        readings: {},
        text: `event ${n}`,
      })
    const { page } = await openPage(browser, stage.url)
    await expect.poll(() => page.locator('#events-list li').count()).toBe(150)
    for (let round = 0; round < 2; round++) {
      await page.locator('#pause').click()
      await page.locator('#pause').click()
      await expect.poll(() => stage.events.listeners).toBe(1)
    }
    stage.events.publish({
      name: 'drift-ended',
      time: now(),
      upstream: 'idp',
      readings: {},
      text: 'the last',
    })
    await expect.poll(() => page.locator('#events-list li').first().innerText()).toContain('the last')
    expect(await page.locator('#events-list li').count()).toBe(151)
    for (let n = 0; n < 300; n++)
      stage.events.publish({
        name: 'drift-started',
        time: now(),
        upstream: 'idp',
        readings: {},
        text: `more ${n}`,
      })
    await expect.poll(() => page.locator('#events-list li').first().innerText()).toContain('more 299')
    expect(await page.locator('#events-list li').count()).toBe(200)
  })

  it('hides the frequent events until they are asked for', async () => {
    stage.events.publish({
      name: 'limit-changed',
      time: now(),
      upstream: 'idp',
      readings: {},
      text: 'limit 8, was none',
    })
    const { page } = await openPage(browser, stage.url)
    const item = page.locator('#events-list li')
    await item.waitFor({ state: 'attached' })
    expect(await item.isVisible()).toBe(false)
    await page.keyboard.press('l')
    expect(await item.isVisible()).toBe(true)
  })

  it('keeps five minutes of points and no more', async () => {
    const { page } = await openPage(browser, stage.url)
    const start = Date.now()
    for (let minute = 0; minute < 12; minute++) {
      stage.frame = liveFrame({ time: new Date(start + minute * 60_000).toISOString(), retries: [['a', 1]] })
      await new Promise((resolve) => setTimeout(resolve, 150))
    }
    await expect.poll(() => text(page, '#heat-axis')).not.toBe('')
    expect(await page.locator('#heat-canvas').getAttribute('aria-label')).toMatch(
      /five minutes: [56]\.0 by 1 agents/,
    )
  })
})

describe('by keyboard', () => {
  it('opens and closes the help, goes to sections, and leaves focus where it was', async () => {
    const { page } = await openPage(browser, stage.url)
    await page.keyboard.press('?')
    await page.locator('#help[open]').waitFor()
    await page.keyboard.press('Escape')
    expect(await page.locator('#help[open]').count()).toBe(0)
    await page.keyboard.press('5')
    expect(await page.evaluate('document.activeElement.id')).toBe('policies')
    await page.keyboard.press('t')
    expect(await page.evaluate('document.documentElement.dataset.theme')).toBe('dark')
  })

  it('keys can be switched off', async () => {
    const { page } = await openPage(browser, stage.url)
    await page.locator('#help-open').click()
    await page.locator('#keys').uncheck()
    await page.keyboard.press('Escape')
    await page.keyboard.press('t')
    expect(await page.evaluate('document.documentElement.dataset.theme')).toBe('light')
    await page.reload()
    await page.keyboard.press('?')
    expect(await page.locator('#help[open]').count()).toBe(0)
  })

  it('Tab begins with the way past the header, and shows where it is', async () => {
    const { page } = await openPage(browser, stage.url)
    await page.keyboard.press('Tab')
    expect(await page.evaluate('document.activeElement.textContent')).toBe('Skip to the upstreams')
    const order: unknown[] = []
    for (let n = 0; n < 4; n++) {
      await page.keyboard.press('Tab')
      order.push(await page.evaluate('document.activeElement.id || document.activeElement.className'))
      expect(await page.evaluate('getComputedStyle(document.activeElement).outlineStyle')).toBe('solid')
    }
    expect(order).toEqual(['pause', 'theme', 'help-open', 'scroll'])
  })
})

/** What assistive technology needs, in the words of the DOM. Answers sentences; none = fine. */
const AUDIT = `(() => {
  const found = []
  const name = (node) => [
    node.getAttribute('aria-label'), node.getAttribute('title'), node.labels?.[0]?.textContent, node.textContent,
    document.getElementById(node.getAttribute('aria-labelledby') || '')?.textContent,
  ].some((text) => text && text.trim() !== '')
  for (const node of document.querySelectorAll('button, input, a, [role=img], dialog, section, [role=region]')) {
    const labelled = node.getAttribute('aria-labelledby')
    if (labelled && !document.getElementById(labelled)) found.push('no such label: ' + labelled)
    if (!name(node)) found.push('no name: ' + node.outerHTML.slice(0, 80))
  }
  const ids = [...document.querySelectorAll('[id]')].map((node) => node.id)
  for (const id of new Set(ids)) if (ids.filter((each) => each === id).length > 1) found.push('twice: ' + id)
  for (const table of document.querySelectorAll('table')) {
    if (table.hidden) continue
    if (!table.querySelector('thead th[scope=col]')) found.push('no column heads: ' + table.id)
    if (table.querySelector('tbody tr:not(:has(th[scope=row]))')) found.push('a row without a head: ' + table.id)
  }
  if (!document.documentElement.lang) found.push('no language')
  if (document.querySelectorAll('h1').length !== 1) found.push('not one h1')
  return found
})()`

/** Text whose contrast is below 4.5 (WCAG 1.4.3, AA). */
const CONTRAST = `(() => {
  const channel = (value) => (value /= 255) <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4
  const parse = (text) => text.match(/[\\d.]+/g).map(Number)
  const luminance = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b)
  const ground = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const colour = parse(getComputedStyle(at).backgroundColor)
      if (colour.length === 3 || colour[3] === 1) return colour
    }
    return [255, 255, 255]
  }
  const found = []
  for (const node of document.querySelectorAll('body *')) {
    const own = [...node.childNodes].some((child) => child.nodeType === 3 && child.textContent.trim() !== '')
    if (!own || !node.checkVisibility()) continue
    const [a, b] = [luminance(parse(getComputedStyle(node).color)), luminance(ground(node))]
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)
    if (ratio < 4.5) found.push(node.className + ' ' + node.textContent.slice(0, 30) + ' ' + ratio.toFixed(2))
  }
  return found
})()`

/** Every condition, long names, every list full. */
function crowded(): void {
  const conditions = ['healthy', 'watch', 'recovering', 'drifting', 'storming', 'degraded', 'down'] as const
  stage.frame = liveFrame({
    time: now(),
    upstreams: conditions.map((condition) =>
      liveUpstream(`${condition}-with-a-long-name-of-an-upstream`, { condition }),
    ),
    agents: Array.from({ length: 40 }, (_, at) =>
      liveAgent(`agent-${'long-'.repeat(20)}${at}`, { condition: 'looping' }),
    ),
    retries: Array.from({ length: 40 }, (_, at) => [`agent-${'long-'.repeat(20)}${at}`, at] as const),
    control: true,
  })
}

describe('for everyone', () => {
  it('every control, table and section has a name, and ids are unique', async () => {
    crowded()
    const { page } = await openPage(browser, stage.url)
    await page.locator('#policies-table fieldset').first().waitFor()
    expect(await page.evaluate(AUDIT)).toEqual([])
  })

  it.each(['light', 'dark'] as const)('text can be read in the %s theme', async (colorScheme) => {
    crowded()
    const { page } = await openPage(browser, stage.url, { colorScheme })
    await page.locator('#policies-table fieldset').first().waitFor()
    expect(await page.evaluate('document.documentElement.dataset.theme')).toBe(colorScheme)
    expect(await page.evaluate(CONTRAST)).toEqual([])
    await page.keyboard.press('?')
    expect(await page.evaluate(CONTRAST)).toEqual([])
  })

  it.each([320, 390, 768, 1440])('nothing is wider than a screen of %i pixels', async (width) => {
    crowded()
    const { page } = await openPage(browser, stage.url, { viewport: { width, height: 800 } })
    await page.locator('#heat-agents li').first().waitFor()
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(width)
  })

  it('nothing moves for who asked for that', async () => {
    const { page } = await openPage(browser, stage.url, { reducedMotion: 'reduce' })
    const moving = `[...document.querySelectorAll('*')].filter((node) => {
      const { transitionDuration, animationName } = getComputedStyle(node)
      return transitionDuration !== '0s' || animationName !== 'none'
    }).length`
    expect(await page.evaluate(moving)).toBe(0)
  })
})
