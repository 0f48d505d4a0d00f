export * from '../../../src/journal/replay/model/world.ts'
