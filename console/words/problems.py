"""Chinese of what is refused. The English beside it is the `detail` of the problem itself.

Templates hold the names of what a problem says besides (`Problem.extra`).
"""

from __future__ import annotations

from collections.abc import Mapping

PROBLEMS: Mapping[str, str] = {
    "no-such-alert": "没有编号为“{alert}”的预警",
    "no-such-review": "没有编号为“{review}”的复核事项",
    "no-such-subject": "没有代码为“{subject}”的主体",
    "not-known-then": "截至 {as_of} 尚无主体“{subject}”的任何记录",
    "cursor": "参数 before“{value}”无法识别：应为上一页给出的 next",
    "no-such-draw": "没有编号为“{draw}”的抽取",
    "draw-under-way": "抽取已下达，尚有分区未答复，请半分钟后再看",
    "no-orders": "本服务目前不接受抽取",
    "no-such-device": "没有这台设备：主体 {subject}，事项 {item}，设备 {device}",
    "no-such-policy": "没有哈希值为“{policy}”的政策",
    "no-such-form": "没有“{policy}”：应为哈希值，或哈希值加 .json、.toml",
    "no-such-link": "此链接无效，或不完整（请核对是否被截断）",
    "no-such-matter": "此链接所指的事项已不存在",
    "no-such-act": "没有“{act}”这种处置",
    "no-channels": "本服务不通过接口通知任何单位",
    "invalid-body": "提交的内容格式不对",
    "charset": "字符编码应为 {allowed}",
    "content-encoding": "内容不得压缩（content-encoding 应为 identity）",
    "too-many-events": "一次最多 {events_max} 个事件",
    "key-reused": "此表单已提交过，内容与这次不同",
    "malformed": "提交的内容无法识别",
    "content-type": "提交的类型“{value}”不对：应为 {allowed}",
    "body-too-large": "提交的内容过大：最多 {bytes_max} 字节",
    "too-slow": "提交的内容传送过慢",
    "disconnected": "连接在传送完成前中断",
    "busy": "系统正忙，请稍后再试",
    "not-ready": "存储没有响应，请稍后再试",
    "internal": "系统内部出错，详情见服务日志",
    "not-counted": "全市统计尚未完成，请一分钟后再试",
    "as-of": "日期“{value}”无法识别：应为日期（2026-11-21）或带时差的时间"
             "（2026-11-21T08:00:00+08:00）",
    "quarter": "季度“{value}”无法识别：应为年份加季度（2026Q3）",
    "key": "Idempotency-Key 过长：最多 {length_max} 个字符",
    "if-match": "If-Match“{value}”无法识别：应为预警或复核的 seq",
    "last-event-id": "Last-Event-ID 应为不小于 0 的整数",
    "token": "需要登录（或 Authorization: Bearer 令牌）；您的操作未执行",
    "origin": "请求来自其他网站的页面，未执行",
    "host": "地址中的主机名“{host}”不是本服务的",
    "signature": "签名不是该单位的，或已过时限",
}
"""By the slug of the problem."""

STATUSES: Mapping[int, str] = {
    404: "没有这个页面：{path}",
    405: "此地址不接受这种请求：{path}",
}
"""Of problems that have no slug of ours."""

PARAMETERS: Mapping[str, str] = {
    "missing": "未填写",
    "string_too_long": "最多 {max_length} 个字符",
    "int_parsing": "应为整数",
    "greater_than_equal": "应不小于 {ge}",
    "less_than_equal": "应不大于 {le}",
    "literal_error": "应为 {expected}",
}
"""Of a parameter in an address, by what the framework calls the fault."""

LOG: Mapping[str, str] = {
    "must be a department of the catalogue": "应为目录中的部门",
    "is required when decision is adjust": "决定为“调整”时必须给出等级",
    r"must be from (\S+) to (\S+)": r"应在 \1 至 \2 之间",
    r"must be from (\S+) to (\S+) s after the present": r"应在 \1 至当前时间后 \2 秒之间",
    "an id not used before by this source": "应为此来源未用过的编号",
    "must not hold control characters": "不得含控制字符",
    r"must be an item of the catalogue, (\S+) to (\S+)": r"应为目录中的事项，\1 至 \2",
    r"must be (\d+) to (\d+), or 0 to count the pool": r"应为 \1 至 \2，填 0 则只清点对象库",
    r"must be 1 to (\d+)": r"应为 1 至 \1",
    r"must be one line of 1 to (\d+) characters, without blanks around":
        r"应为一行 1 至 \1 个字符，首尾无空格",
    r"must be at most (\d+) characters": r"最多 \1 个字符",
    r"must be 1 to (\d+) characters": r"应为 1 至 \1 个字符",
    "must be the code of a district, or nothing": "应为区县代码，或留空",
    r"length is (\d+): must be (\d+)": r"长度为 \1，应为 \2",
    r"position (\d+) is (.+): must be one of (\w+)": r"第 \1 位是 \2，应为 \3 之一",
    r"position 1 is (.+): the registering authority must be one of (\w+)":
        r"第 1 位（登记管理部门）是 \1，应为 \2 之一",
    r"position 2 is (.+): the category must be one of (\w+)":
        r"第 2 位（机构类别）是 \1，应为 \2 之一",
    r"position (\d+) is (.+): the region \(GB/T 2260\) must be digits":
        r"第 \1 位（行政区划 GB/T 2260）是 \2，应为数字",
    r"position 18 is (.+): the GB 32100 check character must be (.+)":
        r"第 18 位是 \1，按 GB 32100 校验码应为 \2",
    r"position 17 is (.+): the GB 11714 check character must be (.+)":
        r"第 17 位是 \1，按 GB 11714 校验码应为 \2",
    r"must be items of the catalogue, (\S+) to (\S+)": r"应为目录中的事项，\1 至 \2",
    r"must not lie after the event's time, (\S+)": r"不得晚于事件时间，\1",
    "only a grade can be public": "只有评定的等级可用 public",
    "must be printable, without outer spaces": "应为可打印字符，首尾无空格",
    "is required": "必填",
    r"allowed types: (.+)": r"允许的类型：\1",
    r"must be one of (.+)": r"应为 \1 之一",
    r"must be one JSON object: (.+)": r"应为一个 JSON 对象：\1",
    "must not be nested this deeply": "嵌套过深",
}
"""Of what the log allows in an act, by its English."""

FIELDS: Mapping[str, tuple[str, str]] = {
    "act": ("处置", "act"),
    "item": ("监管事项", "item"),
    "count": ("抽取数量", "count"),
    "seed": ("种子", "seed"),
    "district": ("区县", "district"),
    "actor": ("经办人", "actor"),
    "note": ("说明", "note"),
    "until": ("静默至", "until"),
    "seq": ("页面所见状态的编号", "seq"),
    "department": ("部门", "department"),
    "decision": ("决定", "decision"),
    "reason": ("理由", "reason"),
    "grade": ("调整为", "grade"),
    "time": ("时间", "time"),
    "subject": ("主体", "subject"),
}
"""Fields of forms and of acts: as the page labels them, and their name."""
