/** The dashboard in front of a real Weir: two upstreams that get slow under forty agents, and a switch that acts. */
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Fleet } from '../../src/demo/fleet.ts'
import { openBrowser, openPage, shoot, startRig, type Rig } from './kit.ts'

let browser: Browser
beforeAll(async () => {
  browser = await openBrowser()
})
afterAll(() => browser.close())

describe('under load', () => {
  let rig: Rig
  const fleet = new Fleet({ agents: 20, critical: 5, perSecond: 1, timeoutMs: 4000 })

  beforeAll(async () => {
    rig = await startRig({ control: true })
    const upstreams = { idp: 'idp', model: 'openai' }
    await fleet.start(
      (upstream, agent) => `${rig.agents}/@${agent}.run-${agent.length % 3}/${upstreams[upstream]}`,
    )
  })
  afterAll(async () => {
    fleet.stop()
    await rig.close()
  })

  it('shows how two upstreams go from healthy to not, and why, with figures', async () => {
    const { page, errors } = await openPage(browser, rig.operator, { colorScheme: 'light' })
    const condition = page.locator('#upstreams-table td[data-condition]')
    await expect.poll(() => condition.count()).toBe(2)
    await expect
      .poll(() => condition.first().getAttribute('data-condition'), { timeout: 60_000 })
      .toMatch(/drifting|storming|degraded|down/)
    await expect
      .poll(() => page.locator('#events-list').innerText(), { timeout: 30_000 })
      .toMatch(
        /healthy → \w+: p50 [\d.]+ m?s(?: against [\d.]+ m?s)?, \d+ % errors, \d+ % retries by \d+ agents?, \d+ in flight/,
      )
    await expect
      .poll(() => page.locator('#events-list').innerText())
      .toContain('acts: demo/as-much-as-it-can-bear (enforce)')
    await expect
      .poll(() => page.locator('#heat-canvas').getAttribute('aria-label'), { timeout: 60_000 })
      .toMatch(/Retries by agent .*: [\d.]+ by \d+ agents, most by (idp|model)-agent-\d+/)
    await expect
      .poll(() => page.locator('#policies-table tbody tr').nth(1).locator('td.number').first().innerText(), {
        timeout: 30_000,
      })
      .toMatch(/[1-9]/)
    expect(await page.locator('#charts canvas').count()).toBe(2)
    expect(await page.locator('#workflows-table tbody tr').count()).toBeGreaterThan(0)
    await shoot(page, 'light')
    expect(errors).toEqual([])
  })

  it('has its charts at once when somebody comes later, in the dark and on a narrow screen too', async () => {
    const wide = await openPage(browser, rig.operator, { colorScheme: 'dark' })
    await expect.poll(() => wide.page.locator('#heat-agents li').count()).toBeGreaterThan(0)
    await shoot(wide.page, 'dark')
    const narrow = await openPage(browser, rig.operator, {
      viewport: { width: 390, height: 844 },
      deviceScaleFactor: 2,
    })
    await expect.poll(() => narrow.page.locator('#heat-agents li').count()).toBeGreaterThan(0)
    await shoot(narrow.page, 'narrow')
    expect(await narrow.page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(390)
    expect([...wide.errors, ...narrow.errors]).toEqual([])
  })

  it('an agent that calls itself markup is shown as Weir names it, and harms nothing', async () => {
    const evil = `<img src=x onerror="document.title='owned'">`
    await fetch(`${rig.agents}/idp/any`, { headers: { 'weir-agent': evil, 'weir-workflow': evil } })
    const { page, errors } = await openPage(browser, rig.operator)
    await page.locator('#agents-table tbody tr').first().waitFor()
    expect(await page.locator('img').count()).toBe(0)
    expect(await page.title()).toBe('Weir')
    expect(errors).toEqual([])
  })

  it('switches a rule after a question, tells of it, and leaves it alone when the answer is no', async () => {
    const { page, errors } = await openPage(browser, rig.operator)
    const row = page.locator('#policies-table tbody tr').first()
    const enforce = row.getByRole('button', { name: 'enforce' })
    const mode = async (): Promise<unknown> =>
      ((await (await fetch(`${rig.operator}/api/v1/policies`)).json()) as { rules: { mode: string }[] })
        .rules[0]?.mode
    await enforce.click()
    expect(await page.locator('#confirm-title').innerText()).toBe('Switch demo/stop-runaways to enforce?')
    await page.keyboard.press('Enter')
    expect(await page.locator('#confirm[open]').count()).toBe(0)
    expect(await mode()).toBe('shadow')

    await enforce.click()
    await page.locator('#confirm-yes').click()
    await expect.poll(mode).toBe('enforce')
    await expect.poll(() => row.innerText()).toContain('file says shadow')
    await expect.poll(() => enforce.getAttribute('aria-pressed')).toBe('true')
    await expect
      .poll(() => page.locator('#events-list').innerText())
      .toContain('rule demo/stop-runaways switched shadow → enforce')
    expect(errors).toEqual([])
  })
})

describe('without operator.control', () => {
  it('shows modes and offers no switch', async () => {
    const rig = await startRig({ control: false })
    try {
      const { page, errors } = await openPage(browser, rig.operator)
      await page.locator('#policies-table tbody tr').first().waitFor()
      await expect.poll(() => page.locator('#control').innerText()).toBe('read only')
      expect(await page.locator('#policies-table .mode').allInnerTexts()).toEqual(['shadow', 'enforce'])
      expect(await page.locator('#policies-table button').count()).toBe(0)
      await shoot(page, 'empty')
      expect(errors).toEqual([])
    } finally {
      await rig.close()
    }
  })
})
