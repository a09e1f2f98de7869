// When a notebook is opened, its views come back: from the kernel, or from the file where the kernel has ended.

/**
 * Takes back the mark of unsaved changes that ipywidgets sets when it brings views back (`register_model` of its
 * manager), unless the reader or a cell changed something since the notebook was opened.
 */
export function opened({ model }) {
  const manager = model.widget_manager;
  const notebook = manager?.context?.model;
  if (!notebook?.contentChanged) return; // not JupyterLab
  if (manager.restoredStatus) cameFromFile(manager, notebook, model);
  else comesBack(manager, notebook);
}

/** While views come back, which takes a second or two. */
function comesBack(manager, notebook) {
  let isChanged = false;
  const changed = () => { isChanged = true; };
  const restored = () => {
    manager.restored.disconnect(restored);
    notebook.contentChanged.disconnect(changed);
    if (!isChanged) notebook.dirty = false;
  };
  notebook.contentChanged.connect(changed);
  manager.restored.connect(restored);
}

/** A view without a kernel's end of it can only come from the file, and only when the notebook was opened just now. */
async function cameFromFile(manager, notebook, model) {
  const own = await manager.get_model(model.get("me"))?.catch?.(() => null);
  const kernel = manager.kernel;
  const isAtRest = !notebook.sharedModel?.canUndo?.() && kernel?.status !== "busy";
  if (own?.comm_live === false && isAtRest) notebook.dirty = false;
}
