import { describe, expect, it } from 'vitest'
import { WorkflowClasses } from './workflow-classes.ts'

describe('workflow classes', () => {
  it('puts agents of one kind with the same first call together, and others apart', () => {
    const classes = new WorkflowClasses()
    const one = classes.join('worker-1', 7, 0)
    expect(classes.join('worker-22', 7, 0)).toBe(one)
    expect(classes.join('worker-1', 8, 0)).not.toBe(one)
    expect(classes.join('planner', 7, 0)).not.toBe(one)
  })

  it('says nothing before thirty workflows, then what 99 of 100 stay within', () => {
    const classes = new WorkflowClasses()
    const kind = classes.join('a', 1, 0)
    for (let index = 0; index < 29; index++) classes.absorb(kind, 10, 2)
    expect(classes.callsP99(kind)).toBe(0)
    for (let index = 0; index < 171; index++) classes.absorb(kind, 10, 2)
    classes.absorb(kind, 4000, 900)
    expect(classes.callsP99(kind)).toBeGreaterThanOrEqual(10)
    expect(classes.callsP99(kind)).toBeLessThanOrEqual(12)
    expect(classes.widthP99(kind)).toBe(2)
  })

  it('follows a class that changes', () => {
    const classes = new WorkflowClasses()
    const kind = classes.join('a', 1, 0)
    for (let index = 0; index < 5000; index++) classes.absorb(kind, 300, 1)
    for (let index = 0; index < 30_000; index++) classes.absorb(kind, 5, 1)
    expect(classes.callsP99(kind)).toBeLessThanOrEqual(6)
  })

  it('has no class for a newcomer while all 64 are in use, and one again after an idle hour', () => {
    const classes = new WorkflowClasses()
    for (let route = 0; route < 64; route++) classes.join('a', route, 0)
    const none = classes.join('late', 1, 1)
    for (let index = 0; index < 50; index++) classes.absorb(none, 10, 1)
    expect(classes.callsP99(none)).toBe(0)
    classes.leave(1)
    expect(classes.join('late', 1, 3_600_001)).toBe(1)
  })
})
