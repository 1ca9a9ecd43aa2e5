# ruff: noqa: RUF001 - punctuation and letters of these languages are meant
"""Arabic, Hindi, Japanese, Korean, Turkish, Chinese."""

from agent.phone.words import Words

EASTERN = {
    "ar": Words(
        pin=(
            "أهلًا بعودتك. ستتحدث مع ذكاء اصطناعي. سعر الدقيقة {price} من الرصيد، تُحسب من أول كلمة "
            "يقولها. أدخل رقمك السري من ستة أرقام ثم اضغط على المربع."
        ),
        code="أدخل الرمز المكوّن من ثمانية أرقام الذي تعرضه الصفحة.",
        unknown=(
            "هذا خط هاتفي للحديث مع ذكاء اصطناعي. سعر الدقيقة {price} من الرصيد، يُدفع مسبقًا. هذه "
            "المكالمة مجانية وتنتهي الآن. أنشئ حسابًا على {site}، وأضف هناك هذا الرقم ورقمًا سريًا، "
            "ثم اتصل من جديد. مع السلامة."
        ),
        wrong="لم يكن ذلك صحيحًا.",
        verified="شكرًا. هذا الرقم صار لك. اختر رقمًا سريًا على {site} ثم اتصل من جديد. مع السلامة.",
        locked="المحاولات كثيرة جدًا. حاول من جديد، مدة الانتظار بالدقائق: {minutes}. مع السلامة.",
        silent="لم أسمع أي زر. مع السلامة.",
        menu=(
            "اضغط 1 للبدء، 2 لاختيار شخصية، 3 لاختيار لغة، 9 لسماع هذا مرة أخرى، 0 لموظف الاستقبال."
        ),
        choice="{key}: {name}.",
        language="للعربية اضغط {key}.",
        more="للمزيد اضغط 8.",
        back="اضغط 9 لسماع هذا مرة أخرى، 0 للرجوع.",
        connecting="سأحوّلك الآن.",
        operator_away="لا يوجد أحد في الاستقبال الآن. راسلنا على {site}.",
        price="سعر دقيقة هذه المكالمة {price} من الرصيد.",
        no_credit="رصيدك لا يكفي لمكالمة. اشحنه على {site}. مع السلامة.",
        free_used="انتهت دقائقك المجانية. اشحن رصيدك على {site}. مع السلامة.",
        busy="حسابك في مكالمة أخرى. أنهها أولًا. مع السلامة.",
        frozen="حسابك مغلق حاليًا. انظر {site}. مع السلامة.",
        no_capacity="كل الخطوط مشغولة. اتصل بعد قليل. مع السلامة.",
        not_allowed="هذا الاختيار غير متاح لحسابك. انظر {site}. مع السلامة.",
        trouble="حدث خطأ من جهتنا. هذه المكالمة لم تكلّف شيئًا. اتصل من جديد من فضلك. مع السلامة.",
    ),
    "hi": Words(
        pin=(
            "फिर से स्वागत है। आप एक एआई से बात करेंगे। एक मिनट की कीमत {price} क्रेडिट है, उसके पहले शब्द से "
            "गिनी जाती है। अपना छह अंकों का पिन डालें, फिर हैश दबाएँ।"
        ),
        code="पेज पर दिख रहा आठ अंकों का कोड डालें।",
        unknown=(
            "यह एक एआई से बात करने की फ़ोन लाइन है। एक मिनट की कीमत {price} क्रेडिट है, जो पहले चुकानी होती "
            "है। इस कॉल का कुछ नहीं लगता और यह अब खत्म होती है। {site} पर खाता बनाएँ, वहाँ यह नंबर और एक "
            "पिन जोड़ें, और फिर कॉल करें। नमस्ते।"
        ),
        wrong="यह सही नहीं था।",
        verified="धन्यवाद। यह नंबर अब आपका है। {site} पर पिन चुनें और फिर कॉल करें। नमस्ते।",
        locked="बहुत ज़्यादा कोशिशें हुईं। {minutes} मिनट बाद फिर कोशिश करें। नमस्ते।",
        silent="कोई बटन नहीं सुनाई दिया। नमस्ते।",
        menu=(
            "शुरू करने के लिए 1 दबाएँ, किरदार चुनने के लिए 2, भाषा चुनने के लिए 3, यह फिर से सुनने के लिए 9, "
            "ऑपरेटर के लिए 0।"
        ),
        choice="{key}: {name}।",
        language="हिन्दी के लिए {key} दबाएँ।",
        more="और सुनने के लिए 8 दबाएँ।",
        back="यह फिर से सुनने के लिए 9 दबाएँ, वापस जाने के लिए 0।",
        connecting="मैं आपको जोड़ रहा हूँ।",
        operator_away="अभी डेस्क पर कोई नहीं है। {site} पर हमें लिखें।",
        price="इस कॉल के एक मिनट की कीमत {price} क्रेडिट है।",
        no_credit="आपके क्रेडिट कॉल के लिए काफ़ी नहीं हैं। {site} पर और लें। नमस्ते।",
        free_used="आपके मुफ़्त मिनट खत्म हो गए हैं। {site} पर क्रेडिट लें। नमस्ते।",
        busy="आपके खाते पर दूसरी कॉल चल रही है। पहले उसे खत्म करें। नमस्ते।",
        frozen="आपका खाता अभी बंद है। {site} पर देखें। नमस्ते।",
        no_capacity="सभी लाइनें व्यस्त हैं। थोड़ी देर में फिर कॉल करें। नमस्ते।",
        not_allowed="यह विकल्प आपके खाते के लिए नहीं है। {site} पर देखें। नमस्ते।",
        trouble="हमारी तरफ़ कुछ गड़बड़ हुई। इस कॉल का कुछ नहीं लगा। कृपया फिर कॉल करें। नमस्ते।",
    ),
    "ja": Words(
        pin=(
            "おかえりなさい。これからAIとお話しします。料金は1分{price}クレジットで、"
            "AIの最初の言葉から数えます。6桁の暗証番号を入力し、シャープを押してください。"
        ),
        code="ページに表示されている8桁のコードを入力してください。",
        unknown=(
            "こちらはAIとお話しする電話です。料金は1分{price}クレジットの前払いです。"
            "この通話は無料で、これで終了します。{site}でアカウントを作り、"
            "この番号と暗証番号を登録して、もう一度おかけください。失礼します。"
        ),
        wrong="正しくありません。",
        verified=(
            "ありがとうございます。この番号が登録されました。{site}で暗証番号を設定し、"
            "もう一度おかけください。失礼します。"
        ),
        locked="回数が多すぎます。{minutes}分後にもう一度お試しください。失礼します。",
        silent="ボタンの入力がありませんでした。失礼します。",
        menu=(
            "始めるには1、キャラクターを選ぶには2、言語を選ぶには3、もう一度聞くには9、"
            "オペレーターは0を押してください。"
        ),
        choice="{key}番、{name}。",
        language="日本語は{key}を押してください。",
        more="続きは8を押してください。",
        back="もう一度聞くには9、戻るには0を押してください。",
        connecting="おつなぎします。",
        operator_away="ただいまオペレーターは不在です。{site}からご連絡ください。",
        price="この通話の料金は1分{price}クレジットです。",
        no_credit="クレジットが足りません。{site}で追加してください。失礼します。",
        free_used="無料の時間を使い切りました。{site}で追加してください。失礼します。",
        busy="アカウントは別の通話中です。先にそちらを終えてください。失礼します。",
        frozen="アカウントは現在ご利用いただけません。{site}をご覧ください。失礼します。",
        no_capacity="ただいま回線が混み合っています。少ししてからおかけ直しください。失礼します。",
        not_allowed="この選択はご利用いただけません。{site}をご覧ください。失礼します。",
        trouble="こちらで問題が起きました。この通話は無料です。もう一度おかけください。失礼します。",
    ),
    "ko": Words(
        pin=(
            "다시 오신 것을 환영합니다. 이제 AI와 이야기합니다. 요금은 1분에 {price} 크레딧이며 "
            "AI의 첫 마디부터 셉니다. 여섯 자리 비밀번호를 누르고 우물 정자를 눌러 주세요."
        ),
        code="페이지에 보이는 여덟 자리 코드를 눌러 주세요.",
        unknown=(
            "AI와 이야기하는 전화입니다. 요금은 1분에 {price} 크레딧이고 먼저 내야 합니다. "
            "이 통화는 무료이며 이제 끝납니다. {site}에서 계정을 만들고 이 번호와 비밀번호를 "
            "등록한 뒤 다시 걸어 주세요. 안녕히 계세요."
        ),
        wrong="맞지 않습니다.",
        verified=(
            "감사합니다. 이 번호가 등록되었습니다. {site}에서 비밀번호를 정하고 다시 걸어 주세요. "
            "안녕히 계세요."
        ),
        locked="시도가 너무 많았습니다. {minutes}분 뒤에 다시 걸어 주세요. 안녕히 계세요.",
        silent="눌린 버튼이 없습니다. 안녕히 계세요.",
        menu=(
            "시작하려면 1번, 캐릭터를 고르려면 2번, 언어를 고르려면 3번, 다시 들으려면 9번, "
            "상담원은 0번을 눌러 주세요."
        ),
        choice="{key}번, {name}.",
        language="한국어는 {key}번을 눌러 주세요.",
        more="더 들으려면 8번을 눌러 주세요.",
        back="다시 들으려면 9번, 돌아가려면 0번을 눌러 주세요.",
        connecting="연결해 드리겠습니다.",
        operator_away="지금은 상담원이 없습니다. {site}에서 글을 남겨 주세요.",
        price="이 통화는 1분에 {price} 크레딧입니다.",
        no_credit="통화하기에 크레딧이 모자랍니다. {site}에서 충전해 주세요. 안녕히 계세요.",
        free_used="무료 시간을 다 쓰셨습니다. {site}에서 충전해 주세요. 안녕히 계세요.",
        busy="계정이 다른 통화 중입니다. 먼저 그 통화를 끝내 주세요. 안녕히 계세요.",
        frozen="계정이 지금 닫혀 있습니다. {site}에서 확인해 주세요. 안녕히 계세요.",
        no_capacity="모든 회선이 통화 중입니다. 잠시 뒤에 다시 걸어 주세요. 안녕히 계세요.",
        not_allowed="이 선택은 계정에서 쓸 수 없습니다. {site}에서 확인해 주세요. 안녕히 계세요.",
        trouble="저희 쪽에 문제가 생겼습니다. 이 통화는 무료입니다. 다시 걸어 주세요.",
    ),
    "tr": Words(
        pin=(
            "Tekrar hoş geldin. Bir yapay zekâ ile konuşacaksın. Dakikası {price} kredi, ilk "
            "sözünden itibaren sayılır. Altı haneli PIN kodunu gir, sonra kareye bas."
        ),
        code="Sayfanın gösterdiği sekiz haneli kodu gir.",
        unknown=(
            "Bu, bir yapay zekâya bağlanan telefon hattıdır. Dakikası {price} kredi, önceden "
            "ödenir. Bu görüşme ücretsizdir ve şimdi bitiyor. {site} adresinde hesap aç, orada bu "
            "numarayı ve bir PIN ekle, sonra yeniden ara. Hoşça kal."
        ),
        wrong="Bu doğru değildi.",
        verified=(
            "Teşekkürler. Bu numara artık senin. {site} adresinde bir PIN belirle ve yeniden ara. "
            "Hoşça kal."
        ),
        locked="Çok fazla deneme oldu. {minutes} dakika sonra yeniden dene. Hoşça kal.",
        silent="Hiçbir tuş duymadım. Hoşça kal.",
        menu=(
            "Başlamak için 1, karakter seçmek için 2, dil seçmek için 3, bunu yeniden duymak için "
            "9, santral için 0 tuşuna bas."
        ),
        choice="{key}: {name}.",
        language="Türkçe için {key} tuşuna bas.",
        more="Devamı için 8 tuşuna bas.",
        back="Yeniden duymak için 9, geri dönmek için 0 tuşuna bas.",
        connecting="Seni bağlıyorum.",
        operator_away="Santralde şu anda kimse yok. Bize {site} adresinden yaz.",
        price="Bu görüşmenin dakikası {price} kredi.",
        no_credit="Kredin bir görüşmeye yetmiyor. {site} adresinden yükle. Hoşça kal.",
        free_used="Ücretsiz dakikaların bitti. {site} adresinden kredi yükle. Hoşça kal.",
        busy="Hesabın başka bir görüşmede. Önce onu bitir. Hoşça kal.",
        frozen="Hesabın şimdilik kapalı. {site} adresine bak. Hoşça kal.",
        no_capacity="Bütün hatlar dolu. Birazdan yeniden ara. Hoşça kal.",
        not_allowed="Bu seçim hesabına açık değil. {site} adresine bak. Hoşça kal.",
        trouble="Bizim tarafta bir şeyler ters gitti. Bu görüşme ücretsizdi. Lütfen yeniden ara.",
    ),
    "zh": Words(
        pin=(
            "欢迎回来。您将与人工智能通话。每分钟{price}点，从它说的第一个字开始计算。"
            "请输入您的六位密码，然后按井号键。"
        ),
        code="请输入页面上显示的八位代码。",
        unknown=(
            "这是与人工智能通话的电话线路。每分钟{price}点，需预先付费。本次通话免费，现在结束。"
            "请在{site}注册账户，添加这个号码并设置密码，然后再打来。再见。"
        ),
        wrong="输入不正确。",
        verified="谢谢。这个号码现在属于您。请在{site}设置密码，然后再打来。再见。",
        locked="尝试次数太多。请在{minutes}分钟后再试。再见。",
        silent="没有听到按键。再见。",
        menu="开始请按1，选择角色请按2，选择语言请按3，重听请按9，人工服务请按0。",
        choice="{key}，{name}。",
        language="中文请按{key}。",
        more="更多请按8。",
        back="重听请按9，返回请按0。",
        connecting="正在为您转接。",
        operator_away="现在没有人工服务。请在{site}给我们留言。",
        price="本次通话每分钟{price}点。",
        no_credit="您的点数不够一次通话。请在{site}充值。再见。",
        free_used="您的免费分钟已用完。请在{site}充值。再见。",
        busy="您的账户正在另一个通话中。请先结束那个通话。再见。",
        frozen="您的账户目前已关闭。请查看{site}。再见。",
        no_capacity="所有线路都忙。请稍后再打来。再见。",
        not_allowed="您的账户不能使用这个选项。请查看{site}。再见。",
        trouble="我们这边出了问题。本次通话免费。请再打来。再见。",
    ),
}
