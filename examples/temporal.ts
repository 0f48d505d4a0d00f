/**
 * Temporal's activities ask a Weir before they run. This runs the interceptor in `MockActivityEnvironment` of
 * `@temporalio/testing`, which is Temporal's own contract for it, without a server; a worker takes it as
 *
 *   Worker.create({ ..., interceptors: { activity: [interceptor] } })
 *
 * and Temporal's server then keeps `nextRetryDelay`, across restarts of everything.
 */
import { ApplicationFailure } from '@temporalio/common'
import { MockActivityEnvironment } from '@temporalio/testing'
import { AdmitClient } from 'weir-proxy/admit'
import { activityInterceptor } from 'weir-proxy/temporal'

const admit = new AdmitClient({ weir: process.env['WEIR_URL'] ?? 'http://127.0.0.1:8080' })
const interceptor = activityInterceptor({
  admit,
  ApplicationFailure,
  waitMs: 300,
  // Which upstream an activity calls, by its type; what is not named is not asked about.
  stepOf: (activityType) => (activityType === 'verify' ? { upstream: 'idp', agent: 'kyc' } : undefined),
})

const environment = (activityId: string): MockActivityEnvironment =>
  new MockActivityEnvironment({ activityId, activityType: 'verify' }, { interceptors: [interceptor] })

const verify = async (applicant: number): Promise<string> => {
  await new Promise((resolve) => setTimeout(resolve, 100))
  return `verified ${applicant}`
}
const slow = async (): Promise<string> => {
  await new Promise((resolve) => setTimeout(resolve, 1000))
  return 'slow one done'
}

// One goes at a time (the policy); the second waits in line on its worker, and goes then.
const [first, second] = await Promise.all([environment('1').run(verify, 1), environment('2').run(verify, 2)])
console.log('results:', first, second)

// Behind a slow one there is no going soon: the activity leaves its worker, and says when it wants to come back.
const busy = environment('3').run(slow)
const deferred: unknown = await environment('4')
  .run(verify, 4)
  .catch((error: unknown) => error)
if (deferred instanceof ApplicationFailure) {
  console.log('deferred:', deferred.type, Number(deferred.nextRetryDelay) > 0, deferred.nonRetryable)
}
console.log('results:', await busy)

// The upstream itself refuses: the retry comes at the instant that Weir gives, and not when the retry policy guesses.
const refusedUpstream = async (): Promise<string> => {
  throw Object.assign(new Error('429 from the provider'), { status: 429 })
}
const refused: unknown = await environment('5')
  .run(refusedUpstream)
  .catch((error: unknown) => error)
console.log('refused:', refused instanceof ApplicationFailure && Number(refused.nextRetryDelay) > 0)
