/** The bus in words: one line per event that moves the story, none for the others. */
import { record, textOf, type Told } from './speaker.ts'

/** As it stands on the bus. */
export interface StoryEvent {
  readonly type: string
  readonly data: Told
}

export function storyEvent(text: string): StoryEvent {
  const event = record(JSON.parse(text))
  return { type: textOf(event, 'type'), data: record(event['data']) }
}

/** '' = nothing to tell. */
export function sentenceOf({ type, data }: StoryEvent, workflow: string): string {
  const say = (name: string): string => textOf(data, name)
  const what = `${workflow} ${say('kind')}`
  switch (type) {
    case 'weir.agent.joined':
      return `${say('agent')} joins`
    case 'weir.agent.left':
      return `${say('agent')} is gone: ${say('reason')}`
    case 'weir.task.assigned': {
      const why = say('why')
      return `${what}: ${say('handedBy')} -> ${say('owner')}${why === '' ? '' : ` (again: ${why})`}`
    }
    case 'weir.task.reassigned':
      return `${what} is taken from ${say('lostBy')}: ${say('why')}`
    case 'weir.task.parked':
      return `${what} waits: ${say('upstream')} cannot bear it`
    case 'weir.task.resumed':
      return `${what} goes on`
    case 'weir.task.done':
      return `${what} is done by ${say('owner')}`
    case 'weir.task.gated':
      return `${what} waits for a person: ${say('why')}`
    case 'weir.condition.changed':
      return `${say('upstream')} is ${say('to')} (was ${say('from')})`
    default:
      return ''
  }
}
