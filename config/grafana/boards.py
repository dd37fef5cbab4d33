"""What Grafana shows: `python -m config.grafana.boards` writes it to `dashboards/`, as JSON.

Numbers of a view may be scraped from more than one console: of those the largest counts. Counters
are of processes: they are summed.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from config.grafana.panels import GRADES, LEVELS, bars, dashboard, lines, stat, table

FOLDER = Path(__file__).with_name("dashboards")
LEADS = "and on (instance) xinfeng_intake_leads == 1"
OPEN = "max by (rule, level) (xinfeng_alerts_open)"
BUSINESSES = "max by (district, grade) (xinfeng_businesses)"
GRADED = 'max by (district, grade) (xinfeng_businesses{grade=~"A|B|C|D"})'
BAD = 'max by (district, grade) (xinfeng_businesses{grade=~"C|D"})'
WRONG = ('((sum(increase(xinfeng_dead_letters_total{field="subject"}[30d])) or vector(0)) + '
         "(sum(increase(xinfeng_identifiers_doubled_total[30d])) or vector(0))) / "
         "max(xinfeng_subjects)")


def level(name: str, title: str) -> dict[str, Any]:
    made = stat(title, f'sum(max by (rule) (xinfeng_alerts_open{{level="{name}"}})) or vector(0)',
                path=f"/?level={name}", w=3)
    made["fieldConfig"]["defaults"]["thresholds"]["steps"] = [
        {"color": "text", "value": None}, {"color": LEVELS[name], "value": 1}]
    return made


OVERVIEW = dashboard("overview", "信风 总览 / Overview", [
    level("red", "红色预警 Red alerts"), level("orange", "橙色预警 Orange"),
    level("yellow", "黄色预警 Yellow"), level("blue", "蓝色预警 Blue"),
    stat("监管对象 Businesses", "max(xinfeng_subjects)", w=3, path="/subjects"),
    stat("C、D 级占比 Graded C or D", f"sum({BAD}) / sum({GRADED})", "percentunit", w=3,
         path="/subjects?grade=D"),
    stat("在办复核 Reviews open", "max(xinfeng_reviews_open)", w=3, path="/reviews"),
    stat("逾期复核 Reviews overdue",
         'sum(max by (level) (xinfeng_alerts_open{rule="review-overdue"})) or vector(0)', red=1,
         w=3, path="/?rule=review-overdue"),
    lines("公共信用等级分布 Public grades", [(f"sum by (grade) ({BUSINESSES})", "{{grade}}")],
          stacked=True, colours=GRADES, w=8, path="/subjects"),
    lines("未结预警 Open alerts", [(f"sum by (level) ({OPEN})", "{{level}}")], stacked=True,
          colours=LEVELS, w=8, path="/"),
    bars("未结预警（按规则）Open alerts by rule", f"sort_desc(sum by (rule) ({OPEN}))", "{{rule}}",
         w=8, path="/"),
    bars("C、D 级占比最高的区县 Districts with most C and D",
         f"topk(15, sum by (district) ({BAD}) / sum by (district) ({GRADED}))", "{{district}}",
         "percentunit", w=8, h=10, path="/subjects",
         about="按行政区划代码；占已评级对象的比例。By district code, of those graded."),
    table("等级迁移（7 日）Migration, 7 days",
          'sum by (was, now) (increase(xinfeng_grade_changes_total{was!="ungraded"}[7d]))',
          {"was": "原等级 From", "now": "现等级 To", "Value": "次数 Changes"}, w=8, h=10,
          about="公共信用等级的变化。Changes of public grades."),
    bars("检查问题发现率（按检查前等级，30 日）Problems found by grade, 30 days",
         'sum by (grade) (increase(xinfeng_inspections_total{result!="pass"}[30d])) '
         "/ sum by (grade) (increase(xinfeng_inspections_total[30d]))", "{{grade}}",
         "percentunit", w=8, h=10, colours=GRADES,
         about="发现问题的检查 / 全部检查。等级越差应越高，否则分级没有用处。The share should rise "
               "with worse grades, else grading is of no use."),
    lines("每日新发预警 Alerts opened a day",
          [("sum by (level) (increase(xinfeng_alerts_opened_total[1d]))", "{{level}}")],
          colours=LEVELS, w=8, path="/"),
    lines("信用修复（7 日）Repairs, 7 days",
          [('sum by (type) (increase(xinfeng_events_taken_total{type=~"repair.+"}[7d]))',
            "{{type}}")], w=8),
    stat("按期办结的复核（30 日）Reviews closed in time, 30 days",
         'sum(increase(xinfeng_reviews_closed_total{in_time="yes"}[30d])) '
         "/ sum(increase(xinfeng_reviews_closed_total[30d]))", "percentunit", w=4,
         path="/reviews?column=closed"),
    stat("对象覆盖率 Coverage of subjects",
         "sum(xinfeng_businesses_known) / sum(xinfeng_businesses_registered)", "percentunit", w=4,
         about="有信用信息或等级的对象 / 登记对象。With a fact or a grade, of all registered."),
], since="now-7d", refresh="1m")

OPERATIONS = dashboard("operations", "信风 运行 / Operations", [
    stat("服务在线 Services up",
         'sum(up{job=~"xinfeng|intake|worker|analyst|dispatcher|console"})'),
    stat("告警 Service alerts",
         'count(ALERTS{alertname=~"Xinfeng.*", alertstate="firing"}) or vector(0)', red=1),
    stat("日志时钟落后 Clock behind", "time() - max(xinfeng_log_clock_seconds)", "s", red=600),
    stat("未送达的预警 Fell between", "max(xinfeng_notify_gaps) or vector(0)", red=1),
    stat("失联接收方 Receivers dead", "max(xinfeng_receivers_dead) or vector(0)", red=1,
         path="/?rule=receiver-dead"),
    stat("可用磁盘 Free disk", "min(xinfeng_disk_free_bytes)", "bytes", red=2e9, below=True),
    lines("事件 Events a second", [
        ("max(rate(xinfeng_events_accepted_total[5m]))", "接受 accepted"),
        ("max(rate(xinfeng_events_duplicate_total[5m]))", "重复 duplicate"),
        ("max(rate(xinfeng_events_conflicting_total[5m]))", "冲突 conflicting"),
        ("max(rate(xinfeng_events_rejected_total[5m]))", "拒收 rejected")], "ops", w=8,
        path="/rejects"),
    lines("设备读数 Readings a second",
          [("max(rate(xinfeng_readings_total[5m]))", "读数 readings")], "ops", w=8),
    lines("写入 Appends", [
        ("sum(rate(xinfeng_append_seconds_total[5m])) / sum(rate(xinfeng_appends_total[5m]))",
         "平均耗时 mean time")], "s", w=8,
        about="单机运行时：折叠并提交一个信封。In one process: folding and committing one "
              "envelope."),
    lines("内存 Memory", [
        ("process_resident_memory_bytes and on (instance, job) up{job=~"
         '"xinfeng|intake|worker|analyst|dispatcher|console"}', "{{job}} {{instance}}")],
        "bytes", w=8),
    lines("处理器 CPU", [
        ("rate(process_cpu_seconds_total[5m]) and on (instance, job) up{job=~"
         '"xinfeng|intake|worker|analyst|dispatcher|console"}', "{{job}} {{instance}}")],
        "percentunit", w=8),
    lines("可用磁盘 Free disk", [("xinfeng_disk_free_bytes", "{{job}} {{instance}}")], "bytes",
          w=8),
    lines("已发消息 Messages sent", [
        ("sum by (channel) (rate(xinfeng_messages_sent_total[15m]))", "{{channel}}")], "ops", w=8),
    lines("发送失败 Messages failed", [
        ("sum by (receiver, channel) (rate(xinfeng_messages_failed_total[15m]))",
         "{{receiver}}/{{channel}}")], "ops", w=8),
    lines("待发消息 Messages waiting", [
        ("sum by (receiver) (xinfeng_messages_waiting)", "{{receiver}}")], w=8, stacked=True),
    stat("最久等待 Oldest message", "max(xinfeng_messages_oldest_seconds) or vector(0)", "s",
         red=3600),
    lines("签收用时 Time to acknowledge",
          [("sum by (level) (increase(xinfeng_acknowledge_seconds_total[1d])) "
            "/ sum by (level) (increase(xinfeng_acknowledged_total[1d]))", "{{level}}")], "s",
          colours=LEVELS, path="/"),
    lines("答复用时 Time to answer",
          [("sum(increase(xinfeng_answer_seconds_total[1d])) "
            "/ sum(increase(xinfeng_answered_total[1d]))", "复核 reviews")], "s", path="/reviews"),
    stat("放弃的消息 Given up", "max(xinfeng_messages_undelivered) or vector(0)", red=1),
    stat("投递进度 Taken in by delivery", "max(xinfeng_notify_mark) or vector(0)"),
    stat("日志偏移 Log offset", "max(xinfeng_log_offset)"),
    stat("视图计数时龄 Age of counts", "max(xinfeng_view_count_age_seconds)", "s"),
    stat("重复折叠的分区（1 日）Views opened again, 1 day",
         "sum(changes(xinfeng_partition_reopened[1d])) or vector(0)", red=1),
], since="now-6h")

FEEDS = dashboard("feeds", "信风 数据源 / Feeds", [
    stat("静默数据源 Silent feeds",
         'sum(max by (level) (xinfeng_alerts_open{rule="feed-silent"})) or vector(0)', red=1,
         path="/?rule=feed-silent"),
    stat("数据源 Feeds", "count(count by (source) (xinfeng_event_lateness_seconds_count))"),
    stat("信息类别 Classes received", "count(count by (type) (xinfeng_events_taken_total))",
         about="进程启动以来收到的事件类型数。Types of events since the process started."),
    stat("重错码率（30 日）Wrong and duplicate codes, 30 days", WRONG, "percentunit", red=1e-4,
         path="/?rule=identifier-errors",
         about="（错码 + 重码）/ 全部对象，应低于万分之一。Of all subjects; must be below 1 in "
               "10,000."),
    stat("死信 Dead letters", "max(xinfeng_events_rejected_total)", path="/rejects"),
    stat("编号冲突 Conflicting ids", "max(xinfeng_events_conflicting_total)", path="/rejects"),
    lines("事件（按来源，每小时）Events by source, an hour",
          [("sum by (source) (increase(xinfeng_event_lateness_seconds_count[1h]))",
            "{{source}}")], stacked=True),
    lines("事件（按类型，每小时）Events by type, an hour",
          [("sum by (type) (increase(xinfeng_events_taken_total[1h]))", "{{type}}")],
          stacked=True),
    lines("迟报：95 分位（按来源）Lateness, 95th percentile by source",
          [("histogram_quantile(0.95, sum by (source, le) "
            "(rate(xinfeng_event_lateness_seconds_bucket[1d])))", "{{source}}")], "s",
          about="从发生到入库。From when it happened to when it was taken in."),
    bars("七日内报送的比例 Reported within 7 days",
         'sum by (source) (xinfeng_event_lateness_seconds_bucket{le="604800.0"}) '
         "/ sum by (source) (xinfeng_event_lateness_seconds_count)", "{{source}}", "percentunit",
         h=8),
    lines("死信（按出错字段，每小时）Dead letters by wrong field, an hour",
          [("sum by (field) (increase(xinfeng_dead_letters_total[1h]))", "{{field}}")],
          stacked=True, path="/rejects"),
    bars("死信合计（按出错字段）Dead letters by wrong field",
         "sort_desc(sum by (field) (xinfeng_dead_letters_total))", "{{field}}", path="/rejects"),
], since="now-24h")

MODELS = dashboard("models", "信风 模型 / Models", [
    stat("漂移 Drift", "max(xinfeng_model_drifting)", red=1, path="/?rule=model-drift"),
    stat("样本 Examples", "max(xinfeng_model_examples)"),
    stat("其中有问题 Adverse", "max(xinfeng_model_adverse)"),
    stat("权重版本 Versions of weights", "max(xinfeng_weights_published)"),
    stat("权重时龄 Age of weights",
         "(max(xinfeng_log_clock_seconds) - max(xinfeng_weights_clock_seconds)) or vector(0)",
         "s", about="0：尚无学习的权重，仍用专家权重。0: none yet, the expert's are in force."),
    stat("分析落后 Analysis behind",
         "max(xinfeng_log_clock_seconds) - max(xinfeng_analysis_clock_seconds)", "s", red=172800),
    lines("渐进 AUC Progressive AUC", [("max by (model) (xinfeng_model_auc)", "{{model}}")],
          "percentunit", about="先预测后学习。Each example is forecast before it is learned from."),
    lines("学习评分卡的领先 Lead of the learned scorecard",
          [("max by (over) (xinfeng_model_lead_auc)", "{{over}}")],
          about="AUC 之差；低于 0 即落后于该基线。Difference of AUC; below 0 it is behind."),
    lines("对数损失 Log-loss", [("max by (model) (xinfeng_model_log_loss)", "{{model}}")]),
    lines("期望校准误差 Calibration error",
          [("max by (model) (xinfeng_model_ece)", "{{model}}")], "percentunit"),
], since="now-30d", refresh="5m")

DEPARTMENTS = dashboard("departments", "信风 部门 / Departments", [
    stat("对象覆盖率 Coverage of subjects",
         "sum(xinfeng_businesses_known) / sum(xinfeng_businesses_registered)", "percentunit",
         w=6),
    stat("已评级事项 Graded items", "sum(xinfeng_item_grades)", w=6),
    stat("等级差预警 Grade gaps",
         'sum(max by (level) (xinfeng_alerts_open{rule="grade-gap"})) or vector(0)', w=6,
         path="/reviews"),
    stat("逾期未公示 Publication overdue",
         'sum(max by (level) (xinfeng_alerts_open{rule="publication-overdue"})) or vector(0)',
         red=1, w=6, path="/?rule=publication-overdue"),
    lines("各部门已评级事项 Graded items by department",
          [("sum by (department) (xinfeng_item_grades)", "{{department}}")], stacked=True),
    bars("各部门 C、D 级占比 C and D by department",
         'sort_desc(sum by (department) (xinfeng_item_grades{grade=~"C|D"}) '
         "/ sum by (department) (xinfeng_item_grades))", "{{department}}", "percentunit", h=8,
         path="/subjects"),
    table("各部门等级分布 Grades by department", "sum by (department, grade) (xinfeng_item_grades)",
          {"department": "部门 Department", "grade": "等级 Grade", "Value": "事项 Items"}, h=12,
          path="/subjects"),
    bars("按结果的检查 Inspections by result",
         "sort_desc(sum by (result) (xinfeng_inspections_total))", "{{result}}", h=12),
    lines("期限类预警 Alerts of deadlines",
          [('sum by (rule) (max by (rule, level) (xinfeng_alerts_open{rule=~".+-overdue"}))',
            "{{rule}}")], path="/"),
    stat("等级分歧率 Disagreement", "max(xinfeng_disagreement_ratio)", "percentunit",
         path="/reviews",
         about="两个以上部门评级的对象中，等级相差到须复核者所占比例。"
               "Of businesses graded by two departments or more, those whose grades lie so "
               "far apart that they must be reviewed."),
    stat("逾期复核 Reviews overdue", "max(xinfeng_reviews_overdue)", red=1, path="/reviews"),
    bars("各部门分歧率 Disagreement by department",
         "sort_desc(max by (department) (xinfeng_department_disagreement_ratio))",
         "{{department}}", "percentunit", w=16, path="/reviews"),
    lines("复核办结 Reviews closed, a day",
          [("sum by (in_time) (increase(xinfeng_reviews_closed_total[1d]))",
            "按期 in time: {{in_time}}")], path="/reviews?column=closed"),
], since="now-7d", refresh="1m")

CLUSTER = dashboard("cluster", "信风 集群 / Cluster", [
    stat("停止的分区 Partitions stopped",
         "count(max by (partition) (xinfeng_partition_stopped) > 0) or vector(0)", red=1,
         about="有信封无法折叠：worker 的日志写明。An envelope cannot be folded: the worker's log "
               "names it."),
    stat("在管分区 Partitions kept",
         "count(count by (partition) (xinfeng_partition_applied_offset)) or vector(0)"),
    stat("工作的 intake Intakes at work", "sum(xinfeng_intake_leads) or vector(0)", red=1,
         below=True),
    stat("Workers", 'sum(up{job="worker"}) or vector(0)'),
    stat("对象 Subjects", "sum(max by (partition) (xinfeng_partition_subjects))"),
    stat("结论 Conclusions, 7 days", "sum(increase(xinfeng_analyst_conclusions_total[7d]))"),
    lines("事件 Events a second", [
        ("sum(rate(xinfeng_intake_events_total[1m]))", "intake"),
        ("sum(rate(xinfeng_worker_events_total[1m]))", "workers"),
        ("sum(rate(xinfeng_intake_rejected_total[1m]))", "拒收 refused"),
        ("sum(rate(xinfeng_analyst_records_total[1m]))", "analyst")], "ops"),
    lines("拒收比例 Refused by intake", [
        ("sum(rate(xinfeng_intake_rejected_total[5m])) / "
         "(sum(rate(xinfeng_intake_rejected_total[5m])) + "
         "sum(rate(xinfeng_intake_events_total[5m])))", "refused")], "percentunit",
        path="/rejects"),
    lines("Intake 待读 Intake lag", [(f"xinfeng_intake_lag_records {LEADS}", "{{instance}}")], w=8),
    lines("分区落后 Partition lag", [
        ("min by (partition) (xinfeng_partition_lag_envelopes)", "{{partition}}")], w=8),
    lines("Worker 内等待 Waiting in workers", [
        ("max by (partition) (xinfeng_partition_waiting_envelopes)", "{{partition}}")], w=8),
    lines("全市时钟落后 The city's clock behind", [
        (f"(time() - xinfeng_intake_clock_seconds) {LEADS}", "intake"),
        ("time() - max(xinfeng_analyst_clock_seconds)", "analyst")], "s", w=8),
    lines("分区时钟落后 Partitions' clocks behind", [
        ("time() - max by (partition) (xinfeng_partition_clock_seconds)", "{{partition}}")], "s",
        w=8),
    lines("Worker 负荷 Workers busy", [
        ("rate(xinfeng_worker_seconds_total[1m])", "{{instance}}")], "percentunit", w=8),
    lines("偏移 Offset", [
        ("max by (partition) (xinfeng_partition_applied_offset)", "{{partition}}")]),
    lines("各分区对象 Subjects by partition", [
        ("max by (partition) (xinfeng_partition_subjects)", "{{partition}}")]),
], since="now-1h", refresh="15s")

BOARDS = {"overview": OVERVIEW, "operations": OPERATIONS, "feeds": FEEDS, "models": MODELS,
          "departments": DEPARTMENTS, "cluster": CLUSTER}


def text(board: dict[str, Any]) -> str:
    return json.dumps(board, ensure_ascii=False, indent=2) + "\n"


if __name__ == "__main__":
    for name, board in BOARDS.items():
        (FOLDER / f"{name}.json").write_text(text(board), "utf-8")
