export * from '../../../src/journal/replay/model/upstream-model.ts'
