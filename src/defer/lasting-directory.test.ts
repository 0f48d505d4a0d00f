import { describe, expect, it } from 'vitest'
import { mountOf, whyNotLasting } from './lasting-directory.ts'

const POD = `
600 500 0:52 / / rw,relatime master:1 - overlay overlay rw,lowerdir=/x
610 600 0:60 / /dev/shm rw - tmpfs shm rw
620 600 259:1 /var/lib/kubelet/pods/a1/volumes/kubernetes.io~empty-dir/scratch /scratch rw - ext4 /dev/root rw
630 600 259:9 / /var/lib/weir rw,relatime - ext4 /dev/nvme1n1 rw
640 600 259:9 / /with\\040space rw,relatime - ext4 /dev/nvme2n1 rw
`

describe('a directory for promises in a pod', () => {
  it.each([
    ['/data/spool', 'layer of the container'],
    ['/dev/shm/spool', 'in memory (tmpfs)'],
    ['/scratch/spool', 'emptyDir'],
  ])('%s does not last', (path, why) => {
    expect(whyNotLasting(mountOf(POD, path), true)).toContain(why)
  })

  it.each(['/var/lib/weir', '/var/lib/weir/spool', '/with space/x'])('%s on a volume lasts', (path) => {
    expect(whyNotLasting(mountOf(POD, path), true)).toBeUndefined()
  })

  it('is not taken for a mount whose name it only begins with', () => {
    expect(mountOf(POD, '/var/lib/weirdo')?.point).toBe('/')
  })

  it('on the root of a machine lasts, in memory it does not', () => {
    expect(whyNotLasting(mountOf(POD, '/data'), false)).toBeUndefined()
    expect(whyNotLasting(mountOf(POD, '/dev/shm'), false)).toContain('memory')
  })
})
