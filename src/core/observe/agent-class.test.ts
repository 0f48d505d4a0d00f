import { expect, it } from 'vitest'
import { agentClass } from './agent-class.ts'

it.each([
  ['worker-17', 'worker*'],
  ['worker_0004', 'worker*'],
  ['agent7', 'agent*'],
  ['planner.3f9a8c21', 'planner*'],
  ['team-a:worker-12', 'team-a:worker*'],
  ['550e8400-e29b-41d4-a716-446655440000', '*'],
  ['4711', '*'],
  ['planner', 'planner'],
  ['facade', 'facade'],
  ['ns/sa-1-2-3', 'ns/sa*'],
])('the class of %s is %s', (name, expected) => {
  expect(agentClass(name)).toBe(expected)
})
