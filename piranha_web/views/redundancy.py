"""REDUNDANCY."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from lvs import models, store
from piranha_web.forms.redundancy import RedundancyForm, fresh
from piranha_web.views.panel import is_sound, panel, say_saved

DONE = {
    "enable": "Saved and enabled the backup router.",
    "disable": "Saved and disabled the backup router: the primary runs alone.",
}


@panel
def redundancy(request: HttpRequest, cluster: models.Cluster) -> HttpResponse:
    """The one form of the panel; its buttons also switch the backup router on and off."""
    config = store.load(cluster)
    verb = request.POST.get("verb", "")
    form = RedundancyForm(request.POST or None, config=config, value=config.redundancy, verb=verb)
    if request.method == "POST" and form.is_valid():
        cluster.redundancy.take(form.value)
        say_saved(request, DONE.get(verb, "Saved the redundancy settings."), form.warnings)
        return redirect("redundancy")
    return render(request, "redundancy/edit.html", {"form": form, "active": config.redundancy.backup_active})


@require_POST
@panel
def reset(request: HttpRequest, cluster: models.Cluster) -> HttpResponse:
    """Back to no backup and the panel's own times."""
    config = store.load(cluster)
    form = RedundancyForm({}, config=config, value=config.redundancy)
    value = fresh(config.redundancy)
    if is_sound(request, config, form.config_with(value)):
        cluster.redundancy.take(value)
        say_saved(request, "Reset the redundancy settings: there is no backup router.", ())
    return redirect("redundancy")
