/** What belongs to one connection, and what only Weir may say (promises.md rows 30, 32, 37, 45, 55). */
import { cleaned, FIRST_GET, GET, HOST, POST, refused, SMUGGLED, type RequestCase } from './request-case.ts'

export const hopAttacks: readonly RequestCase[] = [
  refused('Connection: authorization', `${GET}Connection: Authorization\r\nAuthorization: Bearer t\r\n\r\n`),
  refused('Connection: host', `${GET}Connection: Host\r\n\r\n`),
  refused(
    'Connection: content-length',
    `${POST}Connection: close, Content-Length\r\nContent-Length: 3\r\n\r\nabc`,
  ),
  refused('Connection: cookie, among others', `${GET}Connection: keep-alive,x, Cookie\r\nCookie: a\r\n\r\n`),
  refused(
    'Connection: x-api-key, on a second line',
    `${GET}Connection: close\r\nConnection: X-Api-Key\r\n\r\n`,
  ),
  cleaned(
    'Connection names a field of the request',
    `${GET}Connection: X-Secret, keep-alive\r\nX-Secret: s\r\nx-SECRET: t\r\n\r\n`,
    ['x-secret'],
  ),
  cleaned(
    'fields of the connection',
    `${GET}Keep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\nProxy-Authorization: Basic eDp5\r\n` +
      'TE: gzip\r\nTrailer: Content-Length\r\nUpgrade: foo\r\n\r\n',
    ['timeout=5', 'basic', 'gzip', 'foo'],
  ),
  cleaned(
    'h2c smuggling: an offer of HTTP/2',
    `${GET}Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAA\r\n\r\n`,
    ['h2c', 'aamaaabk'],
  ),
  cleaned(
    'h2c smuggling: without HTTP2-Settings in Connection',
    `${GET}Connection: Upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAA\r\n\r\n`,
    ['h2c', 'aamaaabk'],
  ),
  {
    attack: 'an offer of h2c with a request as its body',
    bytes: `${POST}Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: ${SMUGGLED.length}\r\n\r\n${SMUGGLED}`,
    answers: [200],
    connection: 'open',
    sent: [{ line: 'POST /first HTTP/1.1', body: SMUGGLED }],
    never: ['h2c'],
  },
  cleaned('a WebSocket without a key', `${GET}Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n`, [
    'websocket',
  ]),
  {
    attack: 'a WebSocket by POST, with a request as its body',
    bytes: `${POST}Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: ${SMUGGLED.length}\r\n\r\n${SMUGGLED}`,
    answers: [200],
    connection: 'open',
    sent: [{ line: 'POST /first HTTP/1.1', body: SMUGGLED }],
    never: ['websocket'],
  },
  {
    attack: 'a WebSocket by HTTP/1.0',
    bytes: `GET /api/first HTTP/1.0\r\n${HOST}Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n${SMUGGLED}`,
    answers: [200],
    connection: 'closed',
    sent: [FIRST_GET],
    never: ['websocket'],
  },
  {
    attack: 'a WebSocket that the upstream declines, with a request behind it',
    bytes: `${GET}Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 777\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n${SMUGGLED}`,
    answers: [200],
    connection: 'closed',
    sent: [FIRST_GET],
  },
  {
    attack: 'a WebSocket handshake with a body',
    bytes: `${GET}Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nContent-Length: ${SMUGGLED.length}\r\n\r\n${SMUGGLED}`,
    answers: [200],
    connection: 'closed',
    sent: [FIRST_GET],
  },
  cleaned(
    'words of Weir itself, in every spelling',
    `${GET}Weir-Agent: a\r\nWEIR-WORKFLOW: b\r\nweir-priority: critical\r\nWeir-Source: proxy\r\nweir-call-id: c\r\n\r\n`,
    ['weir-agent', 'weir-workflow', 'weir-priority', 'weir-source', 'weir-call-id'],
  ),
  cleaned(
    'words of Weir itself with underscores, which some servers fold into the same variable',
    `${GET}weir_agent: a\r\nWeir_Workflow: b\r\nWEIR_PRIORITY: critical\r\n\r\n`,
    ['weir_'],
  ),
  cleaned(
    'the header that names the agent, and its twin with underscores',
    `${GET}X-Agent-Id: a\r\nx_agent_id: b\r\n\r\n`,
    ['x-agent-id', 'x_agent_id'],
  ),
  refused(
    'an expectation that nobody knows',
    `${POST}Expect: cake\r\nContent-Length: 3\r\n\r\nabc${SMUGGLED}`,
    417,
  ),
  {
    attack: 'a body that does not wait for 100',
    bytes: `${POST}Expect: 100-continue\r\nContent-Length: ${SMUGGLED.length}\r\n\r\n${SMUGGLED}`,
    answers: [100, 200],
    connection: 'open',
    sent: [{ line: 'POST /first HTTP/1.1', body: SMUGGLED }],
    never: ['expect'],
  },
  {
    attack: 'pipelining',
    bytes: `${GET}\r\n${GET.replace('first', 'second')}\r\n`,
    answers: [200, 200],
    connection: 'open',
    sent: [FIRST_GET, { line: 'GET /second HTTP/1.1' }],
  },
  {
    attack: 'pipelining behind Connection: close',
    bytes: `${GET}Connection: close\r\n\r\n${SMUGGLED}`,
    answers: [200],
    connection: 'closed',
    sent: [FIRST_GET],
  },
  {
    attack: 'pipelining, the second one with a length and chunks',
    bytes: `${GET}\r\n${POST}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${SMUGGLED}`,
    answers: [200],
    connection: 'closed',
    sent: [FIRST_GET],
  },
  {
    attack: 'pipelining, the second one to the metadata of the cloud',
    bytes: `${GET}\r\nGET http://169.254.169.254/ HTTP/1.1\r\n${HOST}\r\n${SMUGGLED}`,
    answers: [200, 400],
    connection: 'closed',
    sent: [FIRST_GET],
  },
]
