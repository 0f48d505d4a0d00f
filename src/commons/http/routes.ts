/** Every operation of the commons. */
import { agentRoutes } from './agent-routes.ts'
import { eventRoutes } from './event-routes.ts'
import type { Route } from './route.ts'
import { schemaRoutes } from './schema-routes.ts'
import { stateRoutes } from './state-routes.ts'
import { taskRoutes } from './task-routes.ts'
import { workflowRoutes } from './workflow-routes.ts'

export const ROUTES: readonly Route[] = [
  ...agentRoutes,
  ...eventRoutes,
  ...schemaRoutes,
  ...stateRoutes,
  ...taskRoutes,
  ...workflowRoutes,
]
