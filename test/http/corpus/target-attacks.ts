/** Where a request goes: targets, hosts, methods, versions (promises.md rows 25-29, 48). */
import {
  cleaned,
  declined,
  FIRST_GET,
  GET,
  HOST,
  refused,
  SMUGGLED,
  type RequestCase,
} from './request-case.ts'

function target(text: string): string {
  return `GET ${text} HTTP/1.1\r\n${HOST}\r\n`
}

function host(lines: string): string {
  return `GET /api/first HTTP/1.1\r\n${lines}\r\n`
}

export const targetAttacks: readonly RequestCase[] = [
  refused("the cloud's metadata by absolute-form", target('http://169.254.169.254/latest/meta-data/')),
  refused('another upstream by absolute-form', target('http://127.0.0.1:9/api/first')),
  refused('our own name with user-info before it', target('http://evil@127.0.0.1:{port}/api/first')),
  refused('our own name as user-info', target('http://127.0.0.1:{port}@evil/api/first')),
  refused('our own name as a subdomain', target('http://127.0.0.1:{port}.evil/api/first')),
  refused('another scheme', target('gopher://127.0.0.1:{port}/api/first')),
  {
    attack: 'our own name by absolute-form, and another one as Host',
    bytes: 'GET http://127.0.0.1:{port}/api/first HTTP/1.1\r\nHost: 169.254.169.254\r\n\r\n',
    answers: [200],
    connection: 'open',
    sent: [FIRST_GET],
    never: ['169.254', 'http://'],
  },
  refused('authority-form without CONNECT', target('evil.example:80')),
  refused('CONNECT', `CONNECT evil.example:443 HTTP/1.1\r\n${HOST}\r\n${SMUGGLED}`, 405),
  refused('CONNECT to a path', `CONNECT /api/first HTTP/1.1\r\n${HOST}\r\n${SMUGGLED}`, 405),
  declined('TRACE', `TRACE /api/first HTTP/1.1\r\n${HOST}Cookie: secret\r\n\r\n`, 405),
  refused('an unknown method', `TRACK /api/first HTTP/1.1\r\n${HOST}\r\n`),
  refused('a method in lower case', `get /api/first HTTP/1.1\r\n${HOST}\r\n`),
  declined('OPTIONS *', `OPTIONS * HTTP/1.1\r\n${HOST}\r\n`, 200),
  refused('two Hosts', host('Host: weir.local\r\nHost: evil.example\r\n')),
  refused('two equal Hosts', host(HOST + HOST)),
  refused('no Host', host('')),
  refused('a Host with user-info', host('Host: evil@weir.local\r\n')),
  refused('a Host with a path', host('Host: weir.local/../evil\r\n')),
  refused('a Host with a space', host('Host: weir.local evil\r\n')),
  refused('a Host with a port of letters', host('Host: weir.local:80a\r\n')),
  refused('two slashes before a host', target('//evil.example/first')),
  refused('two slashes after the upstream', target('/api//first')),
  refused('dot segments', target('/api/../admin')),
  refused('dot segments before the upstream', target('/../api/first')),
  refused('a dot segment in escapes', target('/api/%2e%2e/admin')),
  refused('a dot segment before an escaped slash', target('/api/..%2fadmin')),
  refused('a dot segment, slash and all in escapes', target('/api/a%2f%2e%2e%2fadmin')),
  refused('a backslash', target('/api\\..\\admin')),
  refused('an escaped backslash', target('/api/..%5cadmin')),
  refused('a fragment', target('/api/first#/../admin')),
  refused('a fragment in the query', target('/api/first?a#b')),
  refused('an escaped NUL', target('/api/first%00.png')),
  refused('half an escape', target('/api/first%2')),
  refused('a byte that is not ASCII', target('/api/fi\xffrst')),
  refused('a target with a space', target('/api/first evil')),
  declined('an escaped slash after the upstream', target('/api%2ffirst'), 404),
  declined('no upstream', target('/'), 404),
  declined('an upstream that is not configured', target('/metadata/latest'), 404),
  declined('what belongs to Weir itself', target('/weir/metrics'), 404),
  declined('what belongs to the operator', target('/metrics'), 404),
  {
    attack: 'line ends in escapes',
    bytes: target('/api/first%0d%0aHost:%20evil%0d%0a%0d%0aGET%20/smuggled'),
    answers: [200],
    connection: 'open',
    sent: [{ line: 'GET /first%0d%0aHost:%20evil%0d%0a%0d%0aGET%20/smuggled HTTP/1.1' }],
  },
  cleaned(
    'other ways to say where to go',
    `${GET}X-Forwarded-Host: weir.local\r\nX-Original-URL: /smuggled\r\nX-Rewrite-URL: /smuggled\r\n\r\n`,
  ),
  refused('HTTP/1.2', `GET /api/first HTTP/1.2\r\n${HOST}\r\n`),
  refused('HTTP/2.0 in the words of 1.1', `GET /api/first HTTP/2.0\r\n${HOST}\r\n`, 505),
  refused('the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
  refused('HTTP/0.9', 'GET /api/first\r\n\r\n', 505),
  refused('a TLS hello', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'),
  {
    attack: 'empty lines before a request',
    bytes: `\r\n\r\n${GET}\r\n`,
    answers: [200],
    connection: 'open',
    sent: [FIRST_GET],
  },
]
