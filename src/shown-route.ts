/** Which parts of a route may be shown: in the access log, in a journal. One rule for all of them. */

/** A plain word of an API, or a version such as `v1beta`. */
const PLAIN = /^(?:[a-z][a-z_-]{0,23}|v\d{1,2}(?:(?:alpha|beta)\d{0,2})?)$/i

/**
 * The route with only its plain words. The template of the core folds what looks like an id; what is shown must also
 * not repeat what merely might be a secret, so whatever holds a digit or is long becomes what `hidden` makes of it.
 */
export function shownRoute(route: string, hidden: (part: string) => string = star): string {
  const shown = route.split('/').map((segment) =>
    segment
      .split(':')
      .map((part) => (part === '' || part === '*' || part === '**' || PLAIN.test(part) ? part : hidden(part)))
      .join(':'),
  )
  return shown.join('/')
}

function star(): string {
  return '*'
}
