// oxlint-disable typescript/no-unsafe-type-assertion -- fakes and events of Node's are not typed more narrowly
import * as fc from 'fast-check'
import type { IncomingMessage } from 'node:http'
import { describe, expect, it } from 'vitest'
import { hopLocation, HopTickets, ticketOf, withoutTicket } from './hop-tickets.ts'

interface Sent {
  method?: string
  url?: string
  headers?: Record<string, string>
}

function request(sent: Sent = {}): IncomingMessage {
  const {
    method = 'POST',
    url = '/x?a=1',
    headers = { authorization: 'Bearer k', 'content-length': '3' },
  } = sent
  return { method, url, headers } as unknown as IncomingMessage
}

function issued(): { tickets: HopTickets<{ call: { request: IncomingMessage } }>; ticket: string } {
  const tickets = new HopTickets<{ call: { request: IncomingMessage } }>()
  return { tickets, ticket: tickets.issue({ call: { request: request() } }) }
}

describe('a ticket in a target', () => {
  it('is found only as a whole parameter of the query', () => {
    expect(ticketOf('/x?__weir=t')).toBe('t')
    expect(ticketOf('/x?a=1&__weir=t&b=2')).toBe('t')
    expect(ticketOf('/__weir=t')).toBe('')
    expect(ticketOf('/x?a__weir=t')).toBe('')
    expect(ticketOf('/x')).toBe('')
  })

  it('comes off again and leaves what the client first sent', () => {
    expect(withoutTicket('/x?__weir=t')).toBe('/x')
    expect(withoutTicket('/x?a=1&__weir=t')).toBe('/x?a=1')
    expect(withoutTicket('/x?__weir=t&b=2')).toBe('/x?b=2')
    expect(withoutTicket('/x?a=1&__weir=t&b=2')).toBe('/x?a=1&b=2')
    expect(withoutTicket('/x?a=1')).toBe('/x?a=1')
  })

  it('replaces the ticket of the hop before', () => {
    expect(hopLocation('/p/x?a=1&__weir=old', 'new')).toBe('?a=1&__weir=new')
  })

  it('survives the client’s resolution of Location, hop after hop, for any query', () => {
    const query = fc.stringMatching(/^[!-"$-~]{0,40}$/).filter((text) => !text.includes('__weir='))
    fc.assert(
      fc.property(query, (text) => {
        const url = `/p/x?${text}`
        const once = `/p/x${hopLocation(url, 'aa')}`
        const twice = `/p/x${hopLocation(once, 'bb')}`
        expect(ticketOf(twice)).toBe('bb')
        expect(withoutTicket(twice)).toBe(text === '' ? '/p/x' : url)
      }),
    )
  })
})

describe('the table of tickets', () => {
  it('gives the call back once, to the same request', () => {
    const { tickets, ticket } = issued()
    expect(ticket).toMatch(/^[0-9a-f]{32}$/)
    expect(tickets.redeem(ticket, request({ url: `/x?a=1&__weir=${ticket}` }))).toBeDefined()
    expect(tickets.redeem(ticket, request({ url: `/x?a=1&__weir=${ticket}` }))).toBeUndefined()
    expect(tickets.size).toBe(0)
  })

  it.each<[string, Sent]>([
    ['another method', { method: 'GET' }],
    ['another path', { url: '/y?a=1' }],
    ['another query', { url: '/x?a=2' }],
    ['other credentials', { headers: { authorization: 'Bearer other', 'content-length': '3' } }],
    ['another length', { headers: { authorization: 'Bearer k', 'content-length': '4' } }],
  ])('does not open to %s, and stays good for its owner', (_, sent) => {
    const { tickets, ticket } = issued()
    expect(tickets.redeem(ticket, request(sent))).toBeUndefined()
    expect(tickets.redeem(ticket, request())).toBeDefined()
  })

  it('forgets what is revoked', () => {
    const { tickets, ticket } = issued()
    tickets.revoke(ticket)
    expect(tickets.size).toBe(0)
    expect(tickets.redeem(ticket, request())).toBeUndefined()
  })

  it('takes an empty query for none', () => {
    const tickets = new HopTickets<{ call: { request: IncomingMessage } }>()
    const ticket = tickets.issue({ call: { request: request({ url: '/x?' }) } })
    expect(tickets.redeem(ticket, request({ url: `/x?__weir=${ticket}` }))).toBeDefined()
  })
})
