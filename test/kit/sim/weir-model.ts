export * from '../../../src/journal/replay/model/weir-model.ts'
