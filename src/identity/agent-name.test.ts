import { expect, it } from 'vitest'
import { agentOfSubject, readSpiffeId } from './agent-name.ts'

it('names a service account alike by its token and by its SPIFFE id', () => {
  expect(agentOfSubject('system:serviceaccount:kyc:agent.a')).toBe('kyc:agent.a')
  expect(readSpiffeId('spiffe://cluster.local/ns/kyc/sa/agent.a')).toEqual({
    trustDomain: 'cluster.local',
    agent: 'kyc:agent.a',
  })
})

it('takes other subjects as they are, when they can be a name', () => {
  expect(agentOfSubject('auth0:abc')).toBe('auth0:abc')
  for (const subject of ['', 'a b', 'a/b', 'ä', 'x'.repeat(129)]) expect(agentOfSubject(subject)).toBe('')
})

it('joins other paths by dots, where two paths cannot come to one name', () => {
  expect(readSpiffeId('spiffe://td/payments/web')?.agent).toBe('payments.web')
  for (const path of ['/a.b', '/a//b', '/a/', '/a%20b', '/ns/UP/sa/x/..']) {
    expect([path, readSpiffeId(`spiffe://td${path}`)?.agent]).toEqual([path, ''])
  }
})

it('takes nothing else for a SPIFFE id', () => {
  for (const uri of [
    '',
    'https://td/a',
    'spiffe://',
    'spiffe://td',
    'spiffe://td/',
    'spiffe://TD/a',
    'spiffe://u@td/a',
    'spiffe://td:1/a',
    `spiffe://td/${'a'.repeat(2100)}`,
  ]) {
    expect([uri.slice(0, 30), readSpiffeId(uri)]).toEqual([uri.slice(0, 30), undefined])
  }
})
