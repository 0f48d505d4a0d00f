/** What became of the policies, as an event among the others. */
import type { ModeChange } from './rule-switch.ts'
import type { EventView } from './views.ts'

/** What became of the policies, for whoever looks. */
export type PolicyNews =
  | { readonly name: 'policies-loaded'; readonly rules: number; readonly ended: readonly string[] }
  | { readonly name: 'policies-refused'; readonly problems: readonly string[] }
  | { readonly name: 'rule-mode-changed'; readonly change: ModeChange & { readonly ok: true } }

/** `now` is the wall clock in ms. */
export function newsView(news: PolicyNews, now: number): EventView {
  const common = { name: news.name, time: new Date(now).toISOString(), upstream: '' }
  if (news.name === 'policies-loaded') {
    const ended = news.ended.length === 0 ? '' : `; switches of the operator ended: ${news.ended.join(', ')}`
    return {
      ...common,
      readings: { rules: news.rules },
      text: `policies loaded: ${news.rules} rules${ended}`,
    }
  }
  if (news.name === 'policies-refused') {
    const [first = ''] = news.problems
    const text = `policies refused, the last good ones stay in force: ${first}`
    return { ...common, readings: { problems: news.problems.length }, text }
  }
  const { id, from, mode, override, fileMode } = news.change
  const until = override ? `until the next reload or restart (the file says ${fileMode})` : 'as the file says'
  const text = `rule ${id} switched ${from} → ${mode} ${until}`
  return { ...common, from, to: mode, readings: {}, text, rules: [{ id, mode }] }
}
