/** `weir-proxy/wrap`: coordination in your own process, or by way of a Weir, for whatever sends requests. */
export { coordinatedFetch, type InProcessFetchOptions } from './coordinated-fetch.ts'
export { Coordination, type CoordinationOptions, type OnRefusal } from './coordination.ts'
export type { Fetch } from './fetch-input.ts'
export { coordinate } from './interceptor.ts'
export { CallRefused } from './refused.ts'
export { withAgent, withCall, withPriority, withTraceparent, withWorkflow } from './scope.ts'
export {
  forAnthropic,
  forLangChainAnthropic,
  forLangChainOpenAI,
  forMcp,
  forOpenAI,
  forVercelAI,
} from './sdk-options.ts'
export type { ThroughWeirOptions } from './through-weir.ts'
