/** What every board does, whatever it is made of. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { BoardError, LEASE_MS, type Board, type Exchange } from '../../src/board/board.ts'
import { BoardLink } from '../../src/board/link.ts'
import { createCoordinator, type Coordinator, type FleetCore } from '../../src/core/coordinator.ts'
import { arrivalOf } from '../kit/core-driver.ts'
import { policyOf } from '../kit/policy.ts'

export interface BoardUnderTest {
  /** A board as another replica has it: the same words. */
  another(): Board
  close(): Promise<void>
}

export function boardContract(name: string, open: () => Promise<BoardUnderTest>): void {
  describe(`the ${name} board`, () => {
    let under: BoardUnderTest
    let one: Board
    let two: Board

    beforeEach(async () => {
      under = await open()
      one = under.another()
      two = under.another()
      await answering(one)
      await answering(two)
    })
    afterEach(async () => {
      await one.close()
      await two.close()
      await under.close()
    })

    it('gives each replica the last word of the others, byte for byte, and not its own', async () => {
      const word = Uint8Array.from({ length: 256 }, (_, byte) => byte)
      expect((await one.exchange(say('a', [1]))).words).toEqual([])
      await one.exchange(say('a', word))
      const { words } = await two.exchange(say('b', [7]))
      expect(words.map(({ replica, word: bytes }) => [replica, [...bytes]])).toEqual([['a', [...word]]])
      expect((await one.exchange(say('a', [2]))).words.map(({ replica }) => replica)).toEqual(['b'])
    })

    it('keeps topics apart', async () => {
      await one.exchange({ ...say('a', [1]), topic: 'openai' })
      expect((await two.exchange({ ...say('b', [1]), topic: 'vectors' })).words).toEqual([])
    })

    it('has one steward, who keeps it by claiming and loses it by not claiming', async () => {
      const first = await one.exchange({ ...say('a', [1]), claim: true })
      expect(first.steward).toBe('a')
      const second = await two.exchange({ ...say('b', [1]), claim: true })
      expect([second.steward, second.epoch]).toEqual(['a', first.epoch])
      expect((await one.exchange({ ...say('a', [1]), claim: true })).epoch).toBe(first.epoch)
      expect((await one.exchange(say('a', [1]))).steward).toBe('')
      const third = await two.exchange({ ...say('b', [1]), claim: true })
      expect([third.steward, third.epoch > first.epoch]).toEqual(['b', true])
    })

    it('elects one of many who claim in the same instant', async () => {
      const claims = Array.from({ length: 20 }, (_, index) =>
        (index % 2 === 0 ? one : two).exchange({ ...say(`r${index}`, [index]), claim: true }),
      )
      const answers = await Promise.all(claims)
      expect(new Set(answers.map(({ steward }) => steward)).size).toBe(1)
      expect(new Set(answers.map(({ epoch }) => epoch)).size).toBe(1)
    })

    it('replaces a steward that falls silent, with a larger epoch, and never before its lease is over', async () => {
      const first = await one.exchange({ ...say('a', [1]), claim: true })
      const from = performance.now()
      let answer = first
      while (answer.steward !== 'b') {
        await new Promise((resolve) => setTimeout(resolve, 50))
        answer = await two.exchange({ ...say('b', [1]), claim: true })
      }
      expect(answer.epoch).toBeGreaterThan(first.epoch)
      expect(performance.now() - from).toBeGreaterThan(LEASE_MS - 100)
      expect(performance.now() - from).toBeLessThan(LEASE_MS + 500)
    })

    it('goes on above the highest epoch that anybody has seen', async () => {
      const answer = await one.exchange({ ...say('a', [1]), claim: true, epoch: 41 })
      expect(answer.epoch).toBeGreaterThan(41)
    })

    it('says goodbye for one who leaves, gives up its stewardship, and nothing of others', async () => {
      await one.exchange({ ...say('a', [1]), claim: true })
      await two.exchange(say('b', [2]))
      await two.leave('b', ['openai'])
      const left = await one.exchange({ ...say('a', [1]), claim: true })
      expect(left.words.map(({ replica, word }) => [replica, word.length])).toEqual([['b', 0]])
      expect(left.steward).toBe('a')
      await one.leave('a', ['openai'])
      const after = await two.exchange({ ...say('b', [1]), claim: true })
      expect([after.words.map(({ word }) => word.length), after.steward]).toEqual([[0], 'b'])
    })

    it('makes the callers of two cores one: a limit, and a workflow that passes through both', async () => {
      const cores = [one, two].map((board, index) => joinCallers(board, index))
      try {
        await until(() => cores.every(({ link }) => link.read().replicas === 2))
        const passed = await callEverywhere(cores, 4000)
        // 20 a second, and a second's burst at each before it heard of the other.
        expect(passed).toBeGreaterThan(60)
        expect(passed).toBeLessThan(170)
        for (const { core } of cores) {
          const [row] = core.workflows(performance.now(), 1)
          expect(row?.calls).toBeLessThan(300)
          expect(row?.condition).toBe('over-budget')
        }
      } finally {
        await Promise.all(cores.map(({ link }) => link.stop()))
      }
    })

    it('counts what it does', async () => {
      const { commands, bytes } = one.traffic
      await one.exchange(say('a', [1, 2, 3]))
      expect(one.traffic.commands).toBeGreaterThan(commands)
      expect(one.traffic.bytes).toBeGreaterThanOrEqual(bytes + 3)
    })
  })
}

export function say(replica: string, bytes: Iterable<number>): Exchange {
  return { topic: 'openai', replica, word: Uint8Array.from(bytes), claim: false, epoch: 0 }
}

/** A connection takes a moment; until then a board says that it does not answer. */
export async function answering(board: Board): Promise<void> {
  for (let tries = 0; tries < 250; tries++) {
    try {
      await board.exchange({ ...say('nobody', [0]), topic: 'warm-up' })
      return
    } catch (error) {
      if (!(error instanceof BoardError)) throw error
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }
  throw new Error('the board never answered')
}

const LIMITED = `version: 1
workflow: { calls: 20, hardCalls: 300 }
rules: [{ name: cap, mode: enforce, then: { limits: [{ per: agent, rate: 20/s }] } }]`

interface JoinedCallers {
  readonly core: Coordinator & FleetCore
  readonly link: BoardLink
}

function joinCallers(board: Board, index: number): JoinedCallers {
  const core = createCoordinator({ policy: policyOf(LIMITED, ['api']), upstreams: ['api'], seed: index })
  const link = new BoardLink({
    board,
    core,
    callers: core,
    secret: Buffer.alloc(32, 7),
    upstreams: ['api'],
    replica: `replica-${index}`,
    clock: () => performance.now(),
    seed: index,
    onLearnt: () => {},
    onTrouble: () => {},
    onBack: () => {},
  })
  link.start()
  return { core, link }
}

/** Fifty calls a second of one agent's one workflow at each; how many passed. */
async function callEverywhere(cores: readonly JoinedCallers[], forMs: number): Promise<number> {
  const from = performance.now()
  let passed = 0
  for (let turn = 0; performance.now() - from < forMs; turn++) {
    for (const { core } of cores) {
      const at = performance.now()
      const caller = { agent: 'shared', workflow: 'run' }
      const verdict = core.arrive(
        arrivalOf({ ...caller, at, fingerprint: turn + 1, bytes: 1000 + 40 * turn }),
      )
      if (verdict.do === 'pass') {
        passed += 1
        core.settle({
          call: 0,
          at,
          kind: 'success',
          status: 200,
          answered: true,
          bytesIn: 1000 + 40 * turn,
          bytesOut: 90,
        })
      }
      core.tick(at)
    }
    await new Promise((resolve) =>
      setTimeout(resolve, Math.max(0, from + 20 * (turn + 1) - performance.now())),
    )
  }
  return passed
}

async function until(isTrue: () => boolean): Promise<void> {
  for (let tries = 0; !isTrue(); tries++) {
    if (tries > 500) throw new Error('never')
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
