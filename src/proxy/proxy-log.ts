/** What the data path writes to a log: its own words only, never a header, a query or a body. pino fits. */
export interface ProxyLog {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}
