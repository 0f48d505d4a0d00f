import { MemoryStore } from '../../src/commons/stores/memory-store.ts'
import { storeContract, TEST_BOUNDS } from './store.contract.ts'

storeContract('memory', async () => {
  const store = new MemoryStore(TEST_BOUNDS, () => 0)
  return { store, close: () => store.close() }
})
