// A plugin of typedoc: guides have their own titles, and the API is listed by what it is for, as the folder of each source
// tells.
import { Comment, CommentTag, Converter, ReflectionKind } from 'typedoc'

/** The first that a path begins with counts. */
const categories = {
  'ts/tasks/': 'Wrong labels',
  'ts/run/': 'Runs',
  'ts/problems/blocks.ts': 'Hyperparameters',
  'ts/problems/model.ts': 'Models',
  'ts/problems/': 'Problems',
  'ts/defaults.ts': 'Settings of methods',
  'ts/methods/': 'Methods',
  'ts/hypergradient/': 'Settings of methods',
  'ts/backend/fisher.ts': 'Settings of methods',
  'ts/backend/settings.ts': 'Settings of methods',
  'ts/backend/': 'Backends and data in memory',
  'ts/data/': 'Reading and splitting data',
  'ts/kernels.ts': 'Kernels',
}

export function load(app) {
  app.converter.on(
    Converter.EVENT_RESOLVE_END,
    ({ project }) => {
      for (const reflection of Object.values(project.reflections)) {
        if (reflection.isDocument()) reflection.name = title(reflection.content) ?? reflection.name
        const path = reflection.sources?.[0]?.fullFileName.replaceAll('\\', '/')
        const folder = Object.keys(categories).find((start) => path?.includes(`/${start}`))
        if (!folder || !reflection.parent?.kindOf(ReflectionKind.Module)) continue
        for (const one of reflection.signatures ?? [reflection]) {
          one.comment ??= new Comment()
          one.comment.blockTags.push(
            new CommentTag('@category', [{ kind: 'text', text: categories[folder] }]),
          )
        }
      }
    },
    1000,
  )
}

function title([first]) {
  return /^# (.+)$/m.exec(first?.text ?? '')?.[1]
}
