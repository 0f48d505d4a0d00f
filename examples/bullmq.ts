/**
 * A BullMQ worker that asks a Weir before each job. What the upstream cannot bear now waits in line for a moment, then
 * goes back into its queue until its slot, without using up an attempt. Needs a Redis at REDIS_URL.
 */
import { DelayedError, Queue, QueueEvents, UnrecoverableError, Worker, type Job } from 'bullmq'
import { AdmitClient } from 'weir-proxy/admit'
import { coordinatedProcessor } from 'weir-proxy/bullmq'

const admit = new AdmitClient({ weir: process.env['WEIR_URL'] ?? 'http://127.0.0.1:8080' })
const { hostname: host, port } = new URL(process.env['REDIS_URL'] ?? 'redis://127.0.0.1:6379')
const connection = { host, port: Number(port) }

/** Jobs that the upstream would get without Weir all at once, each of which takes longer than the next one stands in line. */
const process1 = async (job: Job<{ applicant: number }>): Promise<string> => {
  await new Promise((resolve) => setTimeout(resolve, 300))
  return `verified ${job.data.applicant}`
}

const queue = new Queue<{ applicant: number }>('kyc', { connection })
const events = new QueueEvents('kyc', { connection })
const worker = new Worker<{ applicant: number }, string>(
  'kyc',
  coordinatedProcessor(
    {
      admit,
      DelayedError,
      UnrecoverableError,
      waitMs: 100,
      stepOf: () => ({ upstream: 'idp', agent: 'kyc-worker' }),
    },
    process1,
  ),
  { connection, concurrency: 4 },
)

let delayed = 0
events.on('delayed', () => (delayed += 1))
await events.waitUntilReady()
const jobs = await queue.addBulk([1, 2, 3, 4].map((applicant) => ({ name: 'verify', data: { applicant } })))
const results = await Promise.all(jobs.map((job) => job.waitUntilFinished(events, 30_000)))
const attempts = await Promise.all(jobs.map(async ({ id }) => (await queue.getJob(id!))?.attemptsMade))
console.log('results:', results.join(', '))
console.log('delayed:', delayed > 0, 'attempts:', attempts.join(' '))
await Promise.all([worker.close(), queue.close(), events.close()])
