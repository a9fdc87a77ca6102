"""Every address of the site on one screen."""

from __future__ import annotations

from django.urls import path

from piranha_web.views import (
    account,
    clusters,
    control,
    files,
    global_settings,
    hands,
    help,
    history,
    outside,
    real_servers,
    redundancy,
    review,
    routers,
    sessions,
    setting_up,
    virtual_servers,
)

urlpatterns = [
    path("", control.control, name="control"),
    path("live", control.control_live, name="control-live"),
    path("status-line", control.status_line, name="status-line"),
    path("auto-update", control.control_auto_update, name="control-auto-update"),
    path("global-settings", global_settings.global_settings, name="global-settings"),
    path("redundancy", redundancy.redundancy, name="redundancy"),
    path("redundancy/reset", redundancy.reset, name="redundancy-reset"),
    path("redundancy/live", redundancy.redundancy_live, name="redundancy-live"),
    path("redundancy/switch", redundancy.switch, name="redundancy-switch"),
    path("redundancy/key", redundancy.new_key, name="redundancy-key"),
    path("routers", routers.router_list, name="router-list"),
    path("routers/<int:pk>", routers.router, name="router"),
    path("routers/<int:pk>/preflight", routers.router_preflight, name="router-preflight"),
    path("routers/<int:pk>/rules", routers.router_rules, name="router-rules"),
    path("routers/<int:pk>/rules/download", routers.router_rules_download, name="router-rules-download"),
    path("routers/<int:pk>/outside", outside.outside, name="router-outside"),
    path("routers/<int:pk>/take-in", outside.take_in, name="router-take-in"),
    path("routers/<int:pk>/put-back", outside.put_back, name="router-put-back"),
    path("virtual-servers", virtual_servers.virtual_server_list, name="virtual-server-list"),
    path("virtual-servers/add", virtual_servers.virtual_server_add, name="virtual-server-add"),
    path("virtual-servers/<int:pk>", virtual_servers.virtual_server_edit, name="virtual-server-edit"),
    path(
        "virtual-servers/<int:pk>/activate",
        virtual_servers.virtual_server_activate,
        name="virtual-server-activate",
    ),
    path(
        "virtual-servers/<int:pk>/deactivate",
        virtual_servers.virtual_server_deactivate,
        name="virtual-server-deactivate",
    ),
    path(
        "virtual-servers/<int:pk>/delete", virtual_servers.virtual_server_delete, name="virtual-server-delete"
    ),
    path("virtual-servers/<int:pk>/monitoring", virtual_servers.monitoring_script, name="monitoring-script"),
    path("virtual-servers/<int:pk>/monitoring/try", virtual_servers.monitoring_try, name="monitoring-try"),
    path("virtual-servers/<int:pk>/real-servers", real_servers.real_server_list, name="real-server-list"),
    path("virtual-servers/<int:pk>/real-servers/add", real_servers.real_server_add, name="real-server-add"),
    path(
        "virtual-servers/<int:pk>/real-servers/live",
        real_servers.real_server_list_live,
        name="real-server-list-live",
    ),
    path("real-servers/order", hands.order, name="real-server-order"),
    path("real-servers/everywhere", hands.everywhere_list, name="real-server-everywhere"),
    path("real-servers/everywhere/live", hands.everywhere_live, name="real-server-everywhere-live"),
    path("real-servers/explained", hands.explained, name="real-server-explained"),
    path("real-servers/test", hands.test, name="real-server-test"),
    path("real-servers/check", setting_up.check, name="real-server-check"),
    path("real-servers/<int:pk>/set-up", setting_up.set_up, name="real-server-set-up"),
    path("real-servers/<int:pk>/script", setting_up.script, name="real-server-script"),
    path("real-servers/<int:pk>", real_servers.real_server_edit, name="real-server-edit"),
    path("real-servers/<int:pk>/activate", real_servers.real_server_activate, name="real-server-activate"),
    path(
        "real-servers/<int:pk>/deactivate", real_servers.real_server_deactivate, name="real-server-deactivate"
    ),
    path("real-servers/<int:pk>/delete", real_servers.real_server_delete, name="real-server-delete"),
    path("import", files.import_file, name="import"),
    path("import/confirm", files.import_confirm, name="import-confirm"),
    path("lvs.cf", files.download, name="download"),
    path("review", review.review, name="review"),
    path("review/routers", routers.review_routers, name="review-routers"),
    path("apply", review.apply, name="apply"),
    path("discard", review.discard, name="discard"),
    path("history", history.history, name="history"),
    path("history/<int:number>", history.revision, name="revision"),
    path("history/<int:number>/deployments", history.deployments, name="deployments"),
    path("history/<int:number>/confirm", history.confirm, name="revision-confirm"),
    path("history/<int:number>/roll-back", history.roll_back, name="revision-roll-back"),
    path("history/<int:number>/take-back", history.take_back, name="revision-take-back"),
    path("history/<int:number>/lvs.cf", files.download_revision, name="revision-download"),
    path("clusters/new", clusters.cluster_create, name="cluster-create"),
    path("clusters/choose", clusters.cluster_choose, name="cluster-choose"),
    path("help", help.help_page, name="help"),
    path("login", account.log_in, name="login"),
    path("logout", account.log_out, name="logout"),
    path("password", account.change_password, name="change-password"),
    path("sessions", sessions.session_list, name="session-list"),
    path("sessions/end", sessions.session_end, name="session-end"),
]

handler404 = "piranha_web.views.errors.not_found"
handler500 = "piranha_web.views.errors.failed"
