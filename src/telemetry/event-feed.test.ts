import { describe, expect, it } from 'vitest'
import { EventFeed } from './event-feed.ts'

describe('the feed of events', () => {
  it('gives a reader that comes back what it missed', () => {
    const feed = new EventFeed<string>()
    for (const event of ['a', 'b', 'c']) feed.publish(event)
    expect(feed.since(1).map(({ event }) => event)).toEqual(['b', 'c'])
    expect(feed.since(0)).toHaveLength(3)
    expect(feed.since(99)).toEqual([])
  })

  it('remembers 256 events however many come', () => {
    const feed = new EventFeed<number>()
    for (let n = 1; n <= 1000; n += 1) feed.publish(n)
    expect(feed.since(0)).toHaveLength(256)
    expect(feed.since(0)[0]).toEqual({ id: 745, event: 745 })
  })

  it('tells listeners until they stop', () => {
    const feed = new EventFeed<string>()
    const heard: string[] = []
    const stop = feed.subscribe(({ event }) => void heard.push(event))
    feed.publish('a')
    stop()
    feed.publish('b')
    expect(heard).toEqual(['a'])
    expect(feed.listeners).toBe(0)
  })
})
