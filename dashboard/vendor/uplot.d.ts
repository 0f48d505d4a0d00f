// The operator's listener serves uPlot's own module under this name.
// oxlint-disable-next-line import/no-default-export -- uPlot has no other
export { default } from 'uplot'
