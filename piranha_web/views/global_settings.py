"""GLOBAL SETTINGS."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from lvs import models, store
from piranha_web.access.roles import ADMINISTRATOR, VIEWER, needs
from piranha_web.forms.global_settings import GlobalSettingsForm
from piranha_web.views.panel import panel, say_saved


@needs(VIEWER, ADMINISTRATOR)
@panel
def global_settings(request: HttpRequest, cluster: models.Cluster) -> HttpResponse:
    """The one form of the panel."""
    config = store.load(cluster)
    form = GlobalSettingsForm(request.POST or None, config=config, value=config.global_settings)
    if request.method == "POST" and form.is_valid():
        cluster.global_settings.take(form.value)
        say_saved(request, "Saved the global settings.", form.warnings)
        return redirect("global-settings")
    return render(request, "global_settings/edit.html", {"form": form})
