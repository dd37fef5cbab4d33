"""Departments behind the supervision items: name in an address, mark on a document, law, causes."""

from __future__ import annotations

from typing import Final, NamedTuple

from streams.simulate.trades import ITEMS, NO_ITEM, item_index


class Department(NamedTuple):
    """`causes`: what people complain about; `law` and `article`: the usual basis of a penalty."""

    slug: str
    name: str
    mark: str
    law: str
    article: str
    causes: tuple[str, ...]
    items: str


_STATE: Final = "中华人民共和国"
"""Written @ in the table."""

_TABLE: Final = """
fgw|市发展改革委|渝发改|粮食流通管理条例|第四十五条|质量 价格 其他|1-01 1-02 2-01
gaj|市公安局|渝公|保安服务管理条例|第四十一条|服务 合同 其他|1-03
gzj|市规划自然资源局|渝规资|@矿产资源法|第四十条|生态 安全 其他|1-04 1-05 2-05
jw|市教委|渝教|@民办教育促进法|第六十二条|退费 虚假宣传 师资 其他|1-06
jtj|市交通局|渝交|@道路运输条例|第六十三条|服务 价格 安全 绕道 其他|1-07 1-08 1-09 1-10
jtj|市交通局|渝交|公路水运工程质量监督管理规定|第三十条|质量 安全 欠薪 其他|1-11 1-12 1-13
rsj|市人力社保局|渝人社|保障农民工工资支付条例|第五十五条|欠薪 合同 社会保险 其他|1-14 1-15 1-16
scj|市市场监管局|渝市监|@消费者权益保护法|第五十六条|质量 售后服务 合同 价格 其他|1-21 1-22 1-24
scj|市市场监管局|渝市监|@产品质量法|第四十九条|质量 售后服务 假冒 其他|1-18 1-19 1-25 1-26
scj|市市场监管局|渝市监|@食品安全法|第一百二十六条|食品安全 质量 价格 服务 其他|1-17
scj|市市场监管局|渝市监|@特种设备安全法|第八十四条|电梯故障 安全 其他|1-20
scj|市市场监管局|渝市监|@广告法|第五十五条|虚假宣传 广告 质量 其他|1-23
zscqj|市知识产权局|渝知|@商标法|第六十条|假冒 质量 售后服务 其他|1-27 1-28 1-29
wjw|市卫生健康委|渝卫|公共场所卫生管理条例|第十四条|卫生 服务 价格 其他|1-30 1-31
zjw|市住房城乡建委|渝建|建设工程质量管理条例|第六十四条|质量 物业收费 其他|1-32 1-33 1-34 1-35 1-36
cgj|市城管管理局|渝城管|城市绿化条例|第二十五条|占道 噪声 其他|1-37
kjj|市科技局|渝科|@科学技术进步法|第一百一十三条|弄虚作假 合同 其他|1-38
tjj|市统计局|渝统|@统计法|第四十四条|数据 其他|1-39
hbj|市生态环境局|渝环|@大气污染防治法|第九十九条|扬尘 噪声 异味 废水 其他|1-40 1-41
cus|重庆海关|渝关|@海关法|第八十六条|合同 质量 其他|1-42
jrj|市金融监管局|渝金管|融资担保公司监督管理条例|第三十九条|合同 收费 催收 其他|1-43 1-44 1-45 2-08
wlw|市文化旅游委|渝文旅|娱乐场所管理条例|第四十八条|噪声 服务 合同 未成年人 其他|1-46
swj|重庆市税务局|渝税|@税收征收管理法|第六十三条|发票 偷税 其他|1-47 1-48
msa|重庆海事局|渝海事|@海上交通安全法|第九十五条|安全 污染 其他|1-49 1-50
jxw|市经济信息委|渝经信|@节约能源法|第七十一条|能耗 其他|2-02
mzj|市民政局|渝民|养老机构管理办法|第四十六条|服务 收费 食品安全 其他|2-03
sfj|市司法局|渝司|@律师法|第四十七条|收费 服务 其他|2-04
slj|市水利局|渝水|@水土保持法|第五十三条|扬尘 弃渣 欠薪 噪声 其他|2-06
nyw|市农业农村委|渝农|@农产品质量安全法|第七十一条|质量 农药残留 异味 其他|2-07
rfb|市人民防空办|渝防办|人民防空工程建设管理规定|第五十五条|质量 其他|2-09
yjj|市药监局|渝药监|@药品管理法|第一百二十六条|质量 虚假宣传 其他|2-10
xfj|市消防救援总队|渝消|@消防法|第六十九条|安全 弄虚作假 其他|2-11
"""


def _by_item() -> tuple[Department, ...]:
    found: dict[int, Department] = {}
    for line in _TABLE.strip().splitlines():
        slug, name, mark, law, article, causes, items = line.replace("@", _STATE).split("|")
        department = Department(slug, name, mark, law, article, tuple(causes.split()), items)
        found |= {item_index(item): department for item in items.split()}
    return tuple(found[number] for number in range(len(ITEMS)))


DEPARTMENTS: Final = _by_item()
"""By item, in the catalogue's order."""

COURT: Final = NO_ITEM + 1
REGISTRY: Final = NO_ITEM + 2
"""Stand where an item does in rows of lists that no item leads to."""

LIST_AUTHORITIES: Final = {
    COURT: ("人民法院", f"{_STATE}民事诉讼法", "第二百六十六条"),
    REGISTRY: ("市场监督管理局", "企业信息公示暂行条例", "第十七条"),
}
"""Name after the district's, law and article."""

CREDIT_CENTRE: Final = "cq.credit"
_MARKET: Final = "scj"


def department_source(item: int) -> str:
    """Address of the system that reports on an item; the credit centre when there is none."""
    others = {NO_ITEM: CREDIT_CENTRE, COURT: "cq.court", REGISTRY: "cq.register"}
    return others.get(item) or f"cq.{DEPARTMENTS[item].slug}"


def hotline_source(item: int) -> str:
    """Complaints about market supervision come over 12315, the others over 12345."""
    known = item < NO_ITEM and DEPARTMENTS[item].slug == _MARKET
    return "cq.12315" if known else "cq.12345"
