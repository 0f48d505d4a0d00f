/** Least squares: how much y grows with x. 0 for fewer than two points. */
export function slopeOf(points: readonly (readonly [x: number, y: number])[]): number {
  const mean = (of: (point: readonly [number, number]) => number): number =>
    points.reduce((sum, point) => sum + of(point), 0) / points.length
  const [meanX, meanY] = [mean(([x]) => x), mean(([, y]) => y)]
  const spread = points.reduce((sum, [x]) => sum + (x - meanX) ** 2, 0)
  const joint = points.reduce((sum, [x, y]) => sum + (x - meanX) * (y - meanY), 0)
  return spread > 0 ? joint / spread : 0
}
