"""Words of the pages: Draws of inspections."""

from __future__ import annotations

from collections.abc import Mapping

WORDS: Mapping[str, tuple[str, str]] = {
    "nav_draws": ("抽查", "Draws"),
    "dr_title": ("双随机抽查", "Inspection draws"),
    "dr_meaning": (
        "按信用等级分层随机抽取检查对象。抽中只是机会，不是评价：不影响信用分和等级，也不是处罚。"
        "等级高的抽得少，但 A 级也不免查。",
        "Businesses are drawn at random for an inspection, by grade. To be drawn is a chance and "
        "no judgement: it changes no score and no grade, and punishes nobody. Good grades are "
        "drawn less, but nobody is exempt, not even grade A.",
    ),
    "dr_order": ("新的抽取", "A new draw"),
    "dr_item": ("监管事项", "item"),
    "dr_department": ("部门", "department"),
    "dr_district": ("区划", "district"),
    "dr_whole_city": ("全市", "the whole city"),
    "dr_count": ("抽取数量", "how many"),
    "dr_seed": ("随机种子", "seed"),
    "dr_seed_hint": (
        "种子须事先约定或当众产生（如开奖号码），不得先看结果再定。同一事项、数量、区划、种子，"
        "当日重复下达仍是同一次抽取。",
        "Agree on the seed beforehand or draw it in public (a lottery number), never after seeing "
        "who would be drawn. The same item, number, district and seed on the same day are the "
        "same draw, however often it is ordered.",
    ),
    "dr_actor": ("经办人", "who orders"),
    "dr_note": ("说明（可不填）", "note (optional)"),
    "dr_choose": ("请选择", "choose"),
    "dr_count_pool": ("先看对象库", "Count the pool"),
    "dr_draw_now": ("抽取", "Draw"),
    "dr_pool": ("对象库", "The pool"),
    "dr_pool_text": ("可抽 {} 户，暂不抽 {} 户。", "{} may be drawn, {} rest."),
    "dr_suggested": ("按政策比例建议抽取", "by the policy's ratios, draw"),
    "dr_households": ("户", "businesses"),
    "dr_pool_empty": (
        "对象库中没有可抽的主体：没有已登记的主体涉及此事项，或都在间隔期内。",
        "Nobody can be drawn: no registered business falls under this item here, or all of them "
        "rest.",
    ),
    "dr_unregistered": (
        "另有 {} 户有此事项的记录而无登记信息，不在对象库内",
        "{} more have records of this item but were never registered: they are not in the pool",
    ),
    "dr_strata": ("各等级", "By grade"),
    "dr_stratum": ("等级", "grade"),
    "dr_eligible": ("可抽", "in the pool"),
    "dr_resting": ("暂不抽", "resting"),
    "dr_ratio": ("政策比例", "ratio"),
    "dr_drawn": ("抽中", "drawn"),
    "dr_expected": ("期望数", "expected"),
    "dr_inspected": ("已检查", "inspected"),
    "dr_with_problems": ("有问题", "with problems"),
    "dr_all": ("合计", "all"),
    "dr_strata_hint": (
        "同一等级内抽中概率相同。暂不抽：间隔期内已检查过，或已抽中待检查。在政策所列名单上或有高风险"
        "预警的主体按 C 级抽取。",
        "Within a grade everybody has the same chance. Resting: inspected lately as often as the "
        "grade takes, or drawn and still waiting. A business on a list that the "
        "policy names, or with an alert of high risk, is drawn like a C.",
    ),
    "dr_past": ("历次抽取", "Draws so far"),
    "dr_none": ("尚未抽取", "Nothing has been drawn yet"),
    "dr_ordered_at": ("日期", "date"),
    "dr_asked_drawn": ("应抽 / 抽中", "asked / drawn"),
    "dr_asked": ("应抽", "asked for"),
    "dr_as_of": ("等级截至", "grades as of"),
    "dr_policy": ("政策", "policy"),
    "dr_waiting": (
        "已下达，各分片尚未全部答复，名单未产生。请稍后刷新。",
        "Ordered; not everybody has answered yet, so nobody is drawn. Look again in a moment.",
    ),
    "dr_fewer": (
        "对象库不足：可抽的全部抽中。",
        "The pool is smaller than what was asked for: everybody in it is drawn.",
    ),
    "dr_recording": (
        "正在记入各主体档案：{} / {}",
        "Being written into the histories of the businesses: {} of {}",
    ),
    "dr_estimate": ("推算全库问题率", "Problems in the whole pool, estimated"),
    "dr_estimate_hint": (
        "由已检查的 {} 户推算：各等级的问题率按该等级户数加权。检查越多越可靠。",
        "From the {} inspected so far: the share in each grade, weighted by its size. The more are "
        "inspected, the better it is.",
    ),
    "dr_estimate_partial": (
        "以下等级尚无检查结果，暂不能推算：",
        "Nobody of these grades has been inspected yet, so nothing can be said of the whole pool:",
    ),
    "dr_no_estimate": ("尚无检查结果", "nobody has been inspected yet"),
    "dr_picked": ("抽中名单", "Who was drawn"),
    "dr_range": ("第 {}–{} 户，共 {} 户", "{} to {} of {}"),
    "dr_show_all": ("全部列出（供打印）", "all on one page, to print"),
    "dr_csv": ("下载名单 CSV", "Download the list (CSV)"),
    "dr_print": ("打印", "Print"),
    "dr_draw": ("抽取编号", "draw"),
    "dr_item_name": ("事项名称", "name of the item"),
    "dr_code": ("统一社会信用代码", "code"),
    "dr_name": ("名称", "name"),
    "dr_probability": ("抽中概率", "probability"),
    "dr_more": ("其余见 --json", "the rest: --json"),
    "dr_rank": ("随机序号", "rank"),
    "dr_state": ("状态", "state"),
    "dr_raised": ("因“{}”按 C 级抽取", "drawn like a C: {}"),
    "dr_findings": ("发现 {} 项", "findings: {}"),
    "dr_state_pending": ("待记入", "being recorded"),
    "dr_state_drawn": ("待检查", "to be inspected"),
    "dr_state_released": ("已放回", "let go"),
    "dr_state_pass": ("合格", "passed"),
    "dr_state_fixed": ("发现问题已改正", "put right"),
    "dr_state_fail": ("不合格", "failed"),
    "dr_state_obstructed": ("拒绝检查", "obstructed"),
    "dr_state_untraceable": ("无法联系", "untraceable"),
    "dr_check": ("任何人都可核对", "Anybody can check this"),
    "dr_check_how": (
        "随机序号 = 将种子、事项、代码用换行符连接，取其 SHA-256 的前 16 位十六进制数。每个等级内"
        "从小到大取。各等级的户数由政策比例和对象库大小算出，与名单顺序、程序版本无关。",
        "The rank is the first 16 hex digits of the SHA-256 of seed, item and code, joined by line "
        "feeds. Of each grade the smallest are drawn. How many follows from the policy's ratios "
        "and the size of the pool, and not from the order of a list or a version of the program.",
    ),
    "dr_check_first": ("例：名单第一户", "For example the first of the list"),
    "dr_check_whole": ("重新抽取并对照整个名单", "Draw all of it again and compare"),
    "dr_release": ("放回尚未检查的", "Let go those not yet inspected"),
    "dr_release_hint": (
        "{} 户抽中而未检查。放回后不再待检查，可再次被抽中；记录保留。",
        "{} were drawn and not inspected. Let go, they wait no longer and may be drawn again; the "
        "history keeps that they were.",
    ),
    "dr_release_now": ("放回", "Let go"),
    "dr_done_draw": ("已抽取", "Drawn"),
    "dr_done_release": ("已放回尚未检查的主体", "Those not yet inspected were let go"),
    "dr_back": ("返回抽查", "All draws"),
    "dr_bad": ("未执行", "Nothing was done"),
    "dr_no_answer": ("尚无答复", "No answer yet"),
    "dr_bad_item": ("请选择目录中的监管事项。", "Choose an item of the catalogue."),
    "dr_bad_count": (
        "抽取数量须为 1 至 10000 的整数。",
        "How many must be a whole number from 1 to 10000.",
    ),
    "dr_bad_seed": (
        "请填写随机种子：一行，不超过 256 字，首尾无空格。",
        "A seed is needed: one line of at most 256 characters, no blanks around it.",
    ),
    "dr_bad_actor": (
        "请填写经办人，不超过 256 字。",
        "Say who you are, in at most 256 characters.",
    ),
    "dr_bad_district": ("没有这个区划。", "There is no such district."),
    "dr_bad_note": ("说明不超过 2000 字。", "The note has at most 2000 characters."),
    "dr_bad_reason": (
        "请填写理由，不超过 1000 字。",
        "A reason is needed, of at most 1000 characters.",
    ),
    "dr_bad_wait": (
        "已下达，但尚未收到答复。请稍后再下达同样的抽取，得到的是同一次抽取。",
        "It is ordered, but nobody has answered yet. Order the same again in a moment: it is the "
        "same draw.",
    ),
    "dr_bad_no_orders": ("此服务不接受抽取", "This service takes no orders of draws"),
}
